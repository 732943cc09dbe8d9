import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { openPki } from '../../src/control-plane/pki/pki.ts';
import { createEdge } from '../../src/gateway/transport/edge.ts';
import { scratch } from '../support/scratch.ts';
import { read } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

const run = promisify(execFile);
const absent = (program: string): string | false =>
  !(process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program))) &&
  `${program} is not there; npm run servers brings it`;

/** The edge with a certificate of the embedded authority, as `up` opens it. */
async function open(t: TestContext) {
  const pki = await openPki(scratch(t), Date.now);
  const settings = { origin: 'https://localhost', serverNames: ['localhost'], allowedOrigins: [], maxBody: 1000 };
  const edge = createEdge({
    identity: { ...(await pki.leaf(['localhost'])), serverNames: ['localhost'] },
    settings: () => ({ ...settings, unauthenticated: 421 }),
    issuers: () => [],
    report: () => {},
    now: Date.now,
    // A scanner on a busy machine is slow to say its half of a handshake; being cut off for that would be a finding.
    limits: { handshake: 30_000, headers: 30_000 },
    handle: async () => ({ status: 421, headers: { 'content-type': 'application/json' }, body: '{}' }),
  });
  const port = await edge.listen('127.0.0.1', 0);
  t.after(() => edge.close(0));
  return { port, ca: pki.caFile };
}

test('sslscan finds TLS 1.3 with one suite and one classic group, and nothing else', {
  skip: absent('sslscan'),
}, async (t) => {
  verifies('transport.tls13', 'transport.sni');
  const { port } = await open(t);
  const scan = async (...args: readonly string[]): Promise<string> =>
    (await run('sslscan', ['--no-colour', '--xml=-', ...args, `127.0.0.1:${port}`])).stdout;
  const found = await scan('--sni-name=localhost');
  const all = (pattern: RegExp): readonly string[] => [...found.matchAll(pattern)].map(([, text]) => String(text));
  assert.deepEqual(all(/<protocol type="(\S+ version="[\d.]+)" enabled="1"/g), ['tls" version="1.3']);
  assert.deepEqual(all(/cipher="(\w+)"/g), ['TLS_AES_256_GCM_SHA384']);
  // It does not know the hybrid one.
  assert.deepEqual(all(/<group .*name="(\w+)"/g), ['x25519']);
  for (const name of ['other.example', '127.0.0.1'])
    assert.doesNotMatch(await scan(`--sni-name=${name}`), /enabled="1"|<certificate /);
});

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

test('testssl.sh finds nothing above info that is not on the list with its reason, and all of that', {
  skip: absent('testssl'),
  timeout: 1_200_000,
}, async (t) => {
  verifies('transport.tls13');
  const { port, ca } = await open(t);
  const report = join(scratch(t), 'report.json');
  const asked = ['--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'min', '--ip', '127.0.0.1'];
  await run('testssl', [...asked, '--add-ca', ca, '--jsonfile', report, `localhost:${port}`], {
    maxBuffer: 1 << 24,
  }).catch(
    // Its exit code counts findings.
    (error: { code?: unknown }) => assert.equal(typeof error.code, 'number', String(error)),
  );
  const findings = JSON.parse(readFileSync(report, 'utf8')) as readonly Finding[];
  const of = (id: string): string | undefined => findings.find((one) => one.id === id)?.finding;
  for (const id of ['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1', 'TLS1_2']) assert.match(of(id) ?? '', /^not offered/, id);
  assert.match(of('TLS1_3') ?? '', /^offered/);
  assert.equal(of('PFS_ciphers'), 'TLS_AES_256_GCM_SHA384');
  assert.equal(of('PFS_ECDHE_curves'), 'X25519');
  assert.match(of('cert_chain_of_trust') ?? '', /^passed/);

  const listed = JSON.parse(read('test/edge/scanner-findings.json')) as readonly (Finding & { reason: string })[];
  const above = findings.filter(({ severity }) => !['OK', 'INFO'].includes(severity));
  const names = (all: readonly Finding[]): readonly string[] =>
    all.map(({ id, severity }) => `${id} ${severity}`).sort();
  assert.deepEqual(names(above), names(listed), above.map(({ id, finding }) => `${id}: ${finding}`).join('\n'));
  for (const { id, reason } of listed) assert.match(reason, /\w{3}/, id);
});
