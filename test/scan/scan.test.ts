import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanManifest } from '../../src/control-plane/scan/manifests/scan-manifest.ts';
import { sbom } from '../../src/control-plane/scan/reports.ts';
import { Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

// Semgrep has tests of its own: without it, each run here is short.
process.env.XDG_CACHE_HOME = '/nowhere';

const ids = (findings: readonly { readonly rule: { readonly id: string } }[]) => findings.map(({ rule }) => rule.id);
const compose = (lines: string) => ids(scanManifest('compose.yaml', `services:\n  tool:\n    mem_limit: 1g\n${lines}`));

test('a compose file that lets a container out of itself is found (A10)', () => {
  verifies('input.static');
  for (const [lines, id] of [
    ['    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]', 'manifest.runtime-socket'],
    ['    volumes: [{ type: bind, source: /run/containerd/containerd.sock, target: /s }]', 'manifest.runtime-socket'],
    ['    volumes: ["/:/host:ro"]', 'manifest.host-path'],
    ['    volumes: ["/proc:/p"]', 'manifest.host-path'],
    ['    privileged: true', 'manifest.privileged'],
    ['    pid: host', 'manifest.host-namespace'],
    ['    network_mode: host', 'manifest.host-namespace'],
    ['    cap_add: [CAP_SYS_ADMIN]', 'manifest.capability'],
    ['    security_opt: ["seccomp:unconfined"]', 'manifest.unconfined'],
  ] as const)
    assert.deepEqual(compose(lines), [id], lines);
  assert.deepEqual(ids(scanManifest('c.yaml', 'services: { tool: { image: a } }')), ['manifest.no-memory-limit']);
  assert.deepEqual(compose('    volumes: ["./data:/data:ro", "named:/x"]\n    cap_drop: [ALL]'), []);
});

const pod = (spec: string, container: string) => `apiVersion: apps/v1
kind: Deployment
spec: { template: { spec: { ${spec} containers: [{ name: tool, resources: { limits: { memory: 1Gi } }, securityContext: { allowPrivilegeEscalation: false${container} } }] } } }
`;

test('a Kubernetes manifest that does so is found, in any kind and any document (A10)', () => {
  verifies('input.static');
  for (const [spec, container, id] of [
    ['hostPID: true,', '', 'manifest.host-namespace'],
    ['volumes: [{ name: s, hostPath: { path: /var/run/docker.sock } }],', '', 'manifest.runtime-socket'],
    ['volumes: [{ name: s, hostPath: { path: /data } }],', '', 'manifest.hostpath'],
    ['', ', privileged: true', 'manifest.privileged'],
    ['', ', capabilities: { add: [ALL] }', 'manifest.capability'],
  ] as const)
    assert.deepEqual(ids(scanManifest('k.yaml', `# first\n---\n${pod(spec, container)}`)), [id], id);
  assert.deepEqual(ids(scanManifest('k.yaml', pod('', ''))), []);
  assert.deepEqual(ids(scanManifest('k.yaml', 'apiVersion: v1\nkind: Pod\nspec: { containers: [{ name: a }] }')), [
    'manifest.escalation',
    'manifest.no-memory-limit',
  ]);
});

test('scan says file, line and standard, leaves with 1, and speaks SARIF', async (t) => {
  const workspace = new Workspace({
    'k/tool.js': '\n\neval(x)\n',
    'k/node_modules/a/index.mjs': 'export default 1;\n',
    'k/compose.yaml': 'services: { a: { mem_limit: 1g, privileged: true } }\n',
    'k/pod.json': '{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":true}}',
  });
  t.after(() => workspace.remove());
  const { code, stdout } = await workspace.run('scan', 'k');
  assert.equal(code, 1);
  assert.match(stdout, /^k\/tool\.js:3: error js\.eval: .* \(CWE-95, OWASP A03:2021\): eval\(x\)$/m);
  assert.match(stdout, /^4 files, 3 findings, 0 accepted$/m);
  const { stdout: machine } = await workspace.run('scan', 'k', '--sarif');
  const [run] = JSON.parse(machine).runs;
  assert.deepEqual(run.results.map(({ ruleId }: { ruleId: string }) => ruleId).sort(), [
    'js.eval',
    'manifest.host-namespace',
    'manifest.privileged',
  ]);
  const found = ['js.eval:k/tool.js', 'manifest.privileged:k/compose.yaml', 'manifest.host-namespace:k/pod.json'];
  const accepted = found.flatMap((one) => ['--accept', one]);
  const read = await workspace.run('scan', 'k', ...accepted);
  assert.deepEqual([read.code, read.stdout], [0, '4 files, 0 findings, 3 accepted\n']);
  const [told] = JSON.parse((await workspace.run('scan', 'k', '--sarif', ...accepted)).stdout).runs;
  assert.ok(told.results.every(({ suppressions }: { suppressions: object[] }) => suppressions.length === 1));
  const stale = await workspace.run('scan', 'k', '--accept', 'js.eval:k/other.js');
  assert.deepEqual([stale.code, stale.stdout], [2, '']);
  assert.equal((await workspace.run('scan', 'k/node_modules')).code, 0);
  assert.equal((await workspace.run('scan', 'nowhere')).code, 2);
});

test('the bill of materials has each package once, with the digest of its tarball', () => {
  const integrity = `sha512-${Buffer.alloc(64, 1).toString('base64')}`;
  const packages = {
    'node_modules/@a/b': { version: '1.0.0', integrity },
    'node_modules/x/node_modules/@a/b': { version: '1.0.0', integrity },
  };
  const pins = { protocolVersion: '', capabilities: {}, serverInfo: {}, tools: [], prompts: [], resourceTemplates: [] };
  const bill = sbom({
    lockfileVersion: 1,
    servers: { s: { source: 'npm:@a/b@1.0.0', openLevels: {}, packages, pins } },
  });
  assert.deepEqual(bill, {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    components: [
      {
        type: 'library',
        'bom-ref': 'pkg:npm/%40a/b@1.0.0',
        name: '@a/b',
        version: '1.0.0',
        purl: 'pkg:npm/%40a/b@1.0.0',
        hashes: [{ alg: 'SHA-512', content: '01'.repeat(64) }],
      },
    ],
  });
});
