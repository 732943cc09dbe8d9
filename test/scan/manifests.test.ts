import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanJsonManifest } from '../../src/control-plane/scan/manifests/scan-json-manifest.ts';
import { scanManifest } from '../../src/control-plane/scan/manifests/scan-manifest.ts';
import { verifies } from '../support/verifies.ts';

const ids = (source: string) => [...new Set(scanManifest('a.yaml', source).map(({ rule }) => rule.id))].sort();
const service = (lines: string, rest = '') => `services:\n  tool:\n    mem_limit: 1g\n${lines}\n${rest}`;

test('a compose file that lets a container out of itself is found in each disguise (A10)', () => {
  verifies('input.static');
  for (const [source, id] of [
    [service('    volumes: [ "/var/run/../run/docker.sock:/s" ]'), 'runtime-socket'],
    [service('    volumes: ["${SOCK:-/var/run/docker.sock}:/s"]'), 'runtime-socket'],
    [
      service('    volumes:\n      - type: bind\n        source: /run/podman/podman.sock\n        target: /s'),
      'runtime-socket',
    ],
    [`x-v: &v ["/var/run/docker.sock:/s"]\n${service('    volumes: *v')}`, 'runtime-socket'],
    [`x-t: &t { mem_limit: 1g, privileged: true }\nservices: { tool: *t }`, 'privileged'],
    [`x-t: &t { privileged: true }\n${service('    <<: *t')}`, 'privileged'],
    [`x-a: &a { pid: host }\nx-b: &b { <<: *a }\n${service('    <<: [*b]')}`, 'host-namespace'],
    [`x-a: &a { tool: { mem_limit: 1g, cap_add: [SYS_ADMIN] } }\nservices: { <<: *a }`, 'capability'],
    ['"serv\\u0069ces": { tool: { mem_limit: 1g, "privil\\x65ged": true } }', 'privileged'],
    ['? "serv\\\n  ices"\n: tool: { mem_limit: 1g, privileged: true }', 'privileged'],
    ['x-k: &k services\n*k : { tool: { mem_limit: 1g, privileged: true } }', 'privileged'],
    [`x-k: &k privileged\n${service('    *k : true')}`, 'privileged'],
    [`x-k: &k '<<'\nx-t: &t { privileged: true }\n${service('    *k : *t')}`, 'privileged'],
    [service('    privileged: "true"'), 'privileged'],
    [service('    privileged: yes'), 'privileged'],
    [service('    "privileged": !!bool "true"'), 'privileged'],
    [service('    build: { context: ., privileged: true }'), 'privileged'],
    [
      service(
        '    volumes: [docker:/s]',
        'volumes: { docker: { driver_opts: { type: none, o: bind, device: /var/run/docker.sock } } }',
      ),
      'runtime-socket',
    ],
    [service('    volumes: ["//:/host"]'), 'host-path'],
    [service('    volumes: ["/var/run:/r"]'), 'host-path'],
    [service('    volumes: ["/var/lib/docker/volumes:/r"]'), 'host-path'],
    [service('    volumes: ["/data/../etc/:/r"]'), 'host-path'],
    [service('    configs: [s]', 'configs: { s: { file: /etc/shadow } }'), 'host-path'],
    [service('    environment: [DOCKER_HOST=tcp://10.0.0.1:2375]'), 'runtime-socket'],
    [service('    environment: { DOCKER_HOST: "unix:///s" }'), 'runtime-socket'],
    [service('    devices: ["/dev/mem:/dev/mem"]'), 'device'],
    [service('    device_cgroup_rules: ["c *:* rwm"]'), 'device'],
    [service('    security_opt: ["seccomp=unconfined"]'), 'unconfined'],
    [service('    security_opt: ["apparmor:unconfined"]'), 'unconfined'],
    [service('    security_opt: [label=disable]'), 'unconfined'],
    [service('    security_opt: [systempaths=unconfined]'), 'unconfined'],
    [service('    cgroup: host'), 'host-namespace'],
    [service('    networks: [host]'), 'host-namespace'],
    [service('    cap_add: [cap_dac_read_search]'), 'capability'],
    ['services: { tool: { mem_limit: 0 } }', 'no-memory-limit'],
    ['services: { tool: { deploy: { resources: { limits: { cpus: "1" } } } } }', 'no-memory-limit'],
    [service('    extends: { file: base.yaml, service: base }'), 'elsewhere'],
    [`include: [other.yaml]\n${service('')}`, 'elsewhere'],
    [service('    volumes: ["$WHERE:/x"]'), 'elsewhere'],
    [service('    command: "{{ .Values.command }}"'), 'unreadable'],
    [service('    image: a\n    image: b'), 'unreadable'],
    [service('    privileged: [\n'), 'unreadable'],
  ] as const)
    assert.deepEqual(ids(source), [`manifest.${id}`], source);
});

const container = (context: string, more = '') =>
  `{ name: tool, resources: { limits: { memory: 1Gi } }, securityContext: { allowPrivilegeEscalation: false${context} }${more} }`;
const spec = (more: string, context = '', key = 'containers') => `{ ${more} ${key}: [${container(context)}] }`;
const pod = (inner: string) => `apiVersion: v1\nkind: Pod\nspec: ${inner}\n`;
const cron = (inner: string) =>
  `apiVersion: batch/v1\nkind: CronJob\nspec: { jobTemplate: { spec: { template: { spec: ${inner} } } } }\n`;

test('a Kubernetes manifest that does so is found in each kind and disguise (A10)', () => {
  verifies('input.static');
  for (const [source, id] of [
    [cron(spec('hostNetwork: true,')), 'host-namespace'],
    [cron(spec('', ', privileged: true', 'initContainers')), 'privileged'],
    [pod(spec('', ', capabilities: { add: [SYS_MODULE] }', 'ephemeralContainers')), 'capability'],
    [
      `apiVersion: v1\nkind: List\nitems: [{ apiVersion: v1, kind: Pod, spec: ${spec('hostIPC: true,')} }]`,
      'host-namespace',
    ],
    [pod(spec('hostPID: "yes",')), 'host-namespace'],
    [
      `x: &v [{ name: s, hostPath: { path: /run/containerd/containerd.sock } }]\n${pod(spec('volumes: *v,'))}`,
      'runtime-socket',
    ],
    [`x: &h { hostPID: true }\n${pod(spec('<<: *h,'))}`, 'host-namespace'],
    ['apiVersion: v1\nkind: PersistentVolume\nspec: { hostPath: { path: /data } }', 'hostpath'],
    [pod(spec('', ', windowsOptions: { hostProcess: true }')), 'privileged'],
    [pod(spec('', ', procMount: Unmasked')), 'unconfined'],
    [pod(spec('securityContext: { seccompProfile: { type: Unconfined } },')), 'unconfined'],
    [
      `apiVersion: v1\nkind: Pod\nmetadata: { annotations: { container.apparmor.security.beta.kubernetes.io/tool: unconfined } }\nspec: ${spec('')}`,
      'unconfined',
    ],
    [`# a\n---\n${pod(spec(''))}---\n${cron(spec('hostNetwork: on,'))}`, 'host-namespace'],
    [
      'apiVersion: v1\nkind: Pod\nspec: { containers: [{ name: a, securityContext: { allowPrivilegeEscalation: false } }] }',
      'no-memory-limit',
    ],
    [`{{- if .Values.x }}\n${pod(spec(''))}{{- end }}`, 'unreadable'],
  ] as const)
    assert.deepEqual(ids(source), [`manifest.${id}`], source);
});

const json = (source: string) => scanJsonManifest('a.json', source).map(({ rule, line }) => [rule.id, line]);

test('manifests that are written as JSON are judged alike, one, a list, or several in a row', () => {
  verifies('input.static');
  const limits = { resources: { limits: { memory: '1Gi' } } };
  const securityContext = { allowPrivilegeEscalation: false, privileged: true };
  const one = (more: object) => ({ apiVersion: 'v1', kind: 'Pod', spec: { hostPID: true, ...more } });
  const careful = { apiVersion: 'v1', kind: 'Pod', spec: {} };
  const list = { apiVersion: 'v1', kind: 'List', items: [careful, one({})] };
  const tabs = JSON.stringify(one({ containers: [{ name: 't', securityContext, ...limits }] }), null, '\t');
  assert.deepEqual(json(tabs), [
    ['manifest.host-namespace', 5],
    ['manifest.privileged', 11],
  ]);
  assert.deepEqual(json(JSON.stringify(list)), [['manifest.host-namespace', 1]]);
  assert.deepEqual(json(`${JSON.stringify(careful, null, 1)}\n\n${JSON.stringify(one({}))}{}`), [
    ['manifest.host-namespace', 7],
  ]);
  assert.deepEqual(json('{"kind":"Pod","api\\u0056ersion":"v1","spec":{"hostP\\u0049D":true}}'), [
    ['manifest.host-namespace', 1],
  ]);
  const compose = { services: { tool: { mem_limit: '1g', volumes: ['/var/run/docker.sock:/s'] } } };
  assert.deepEqual(json(`\uFEFF${JSON.stringify(compose)}`), [['manifest.runtime-socket', 1]]);
  // What cannot be read is told, where it says that it is one.
  assert.deepEqual(json('{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":'), [['manifest.unreadable', 1]]);
});

test('JSON that is no manifest has no findings, however it is made', () => {
  for (const source of [
    '{"name":"services","kind":"x","privileged":true}',
    '[{"hostPID":true}]',
    '{"compilerOptions":{} // a comment\n}',
    `{"a":"${'\\"'.repeat(1_000_000)}`,
    '['.repeat(1_000_000),
    '{}'.repeat(100_000),
    '"\\',
    '',
  ])
    assert.deepEqual(json(source), [], source.slice(0, 40));
});

test('what is careful, and what is no manifest, has no findings', () => {
  for (const source of [
    service(
      '    volumes: ["./data:/data:ro", "named:/x", "/srv/tool/data:/d:ro"]\n    cap_drop: [ALL]\n    security_opt: ["no-new-privileges:true"]',
    ),
    `x-base: &base { mem_limit: 1g, read_only: true }\nservices: { tool: { <<: *base, image: a } }`,
    'services: { tool: { image: a, deploy: { resources: { limits: { memory: 512M } } } } }',
    pod(spec('volumes: [{ name: t, emptyDir: {} }],')),
    cron(spec('hostNetwork: false,')),
    'privileged: true\nvolumes: ["/:/host"]\nname: "{{ x }}"\n',
    'a: [1\n',
  ])
    assert.deepEqual(ids(source), [], source);
});

test('a finding has the line of what it is about, also where an alias or another document has it', () => {
  const source = `x-t: &t\n  privileged: true\nservices:\n  tool:\n    <<: *t\n    mem_limit: 1g\n    cap_add:\n      - NET_BIND_SERVICE\n      - SYS_ADMIN\n---\napiVersion: v1\nkind: Pod\nspec:\n  hostPID: true\n`;
  assert.deepEqual(
    scanManifest('a.yaml', source).map(({ rule, line }) => [rule.id, line]),
    [
      ['manifest.privileged', 2],
      ['manifest.capability', 9],
      ['manifest.host-namespace', 14],
    ],
  );
});

test('bombs of aliases, circles and nesting end, and are told where they hide something', () => {
  const layers = Array.from({ length: 30 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at}, `.repeat(9)}*l${at}]`);
  const bomb = `l0: &l0 [x]\n${layers.join('\n')}\n${pod(spec('hostPID: true,'))}`;
  assert.deepEqual(ids(bomb), ['manifest.host-namespace']);
  assert.deepEqual(
    ids(`x: &x { <<: *x, a: *x }\n${pod(spec('<<: *x,'))}`).filter((id) => id !== 'manifest.unreadable'),
    [],
  );
  const merges = Array.from(
    { length: 300 },
    (_, at) => `m${at + 1}: &m${at + 1} { <<: [*m${at}, *m${at}], a${at}: 1 }`,
  );
  assert.deepEqual(ids(`m0: &m0 {}\n${merges.join('\n')}\n${pod(spec('<<: *m300, hostPID: true,'))}`), [
    'manifest.host-namespace',
  ]);
  assert.deepEqual(ids(`services: ${'['.repeat(100_000)}`), ['manifest.unreadable']);
  assert.deepEqual(ids(`kind: Pod\napiVersion: v1\nx: "${'a'.repeat(600_000)}"\nspec: { hostPID: true }`), [
    'manifest.unreadable',
  ]);
  assert.deepEqual(ids(`apiVersion: v1\nkind: Pod\nspec: { "__proto__": { hostPID: true }, constructor: x }`), [
    'manifest.host-namespace',
  ]);
});
