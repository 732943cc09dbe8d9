import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Config, loadConfig, loadPolicies, parseConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError, type Problem } from '../../src/control-plane/config/problem.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';

async function load(t: TestContext, yaml: string, files: Record<string, string> = {}): Promise<Config> {
  return loadConfig(join(scratch(t, { 'innerkeep.yaml': yaml, ...files }), 'innerkeep.yaml'));
}

async function problems(t: TestContext, yaml: string, files: Record<string, string> = {}): Promise<readonly Problem[]> {
  try {
    await load(t, yaml, files);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.exitCode, 2);
    return error.problems;
  }
  throw new assert.AssertionError({ message: 'the configuration was accepted' });
}

test('an empty file is the hardened default', async (t) => {
  const config = await load(t, '');
  assert.deepEqual(config.edge, {
    listen: { host: '127.0.0.1', port: 8443 },
    server_names: ['localhost'],
    allowed_origins: [],
    tls: {},
    unauthenticated: 421,
    max_body: 1024 * 1024,
  });
  assert.deepEqual(config.admin.listen, { host: '127.0.0.1', port: 8444 });
  assert.equal(config.policies, join(config.directory, 'policies'));
  assert.deepEqual(config.servers, {});
});

test('a server gets its own paths, bytes and milliseconds', async (t) => {
  const config = await load(
    t,
    `servers:
  files:
    package: npm:@scope/name@1.2.3
    args: [/data]
    mounts: [{ from: ./data, to: /data }]
    sandbox: { memory: 1GiB, deadline: 10m }
`,
    { 'data/a.txt': '' },
  );
  const server = config.servers.files;
  assert.deepEqual(server?.mounts, [{ from: join(config.directory, 'data'), to: '/data', mode: 'ro' }]);
  assert.deepEqual(server?.sandbox, {
    driver: 'bubblewrap',
    isolation: 'call',
    memory: 2 ** 30,
    deadline: 600_000,
    egress: [],
  });
  assert.equal(server?.max_result, 4 * 2 ** 20);
});

test('refuses an unknown key, with its line and the key that was meant', async (t) => {
  const [found, ...more] = await problems(t, 'edge:\n  listen: 127.0.0.1:0\n  server_name: [localhost]\n');
  assert.deepEqual(more, []);
  assert.equal(found?.line, 3);
  assert.equal(found?.column, 3);
  assert.equal(found?.key, 'edge.server_name');
  assert.equal(found?.mend, 'did you mean "server_names"?');
});

test('refuses an unknown key of a later capability instead of ignoring the control that it asks for', async (t) => {
  const keys = (
    await problems(
      t,
      'telemetry: { otlp: "https://x.example" }\nservers: { a: { url: "https://x.example/mcp", tools: { t: { approval: {} } } } }\n',
    )
  ).map(({ key, line }) => `${line} ${key}`);
  assert.deepEqual(keys.sort(), ['1 telemetry', '2 servers.a.tools.t.approval']);
});

test('names every problem at once, never the first alone', async (t) => {
  const found = await problems(
    t,
    `edge: { unauthenticated: 403, max_body: 1048576 }
servers:
  Files: { url: "https://x.example/mcp" }
  sse: { url: "https://x.example/mcp" }
  both: { url: "https://x.example/mcp", package: npm:a@1.0.0 }
  none: { max_result: 1MiB }
  dir: { root: ./d }
  remote: { url: "http://x.example/mcp" }
  net: { package: npm:a@1.0.0, sandbox: { egress: ["10.0.0.1:443"] } }
`,
  );
  const seen = found.map(({ line, key }) => `${line} ${key}`);
  for (const expected of [
    '1 edge.unauthenticated',
    '1 edge.max_body',
    '3 servers.Files',
    '4 servers.sse',
    '5 servers.both.url',
    '6 servers.none',
    '7 servers.dir.root',
    '8 servers.remote.url',
    '9 servers.net.sandbox.egress',
  ])
    assert.ok(
      seen.some((at) => at.startsWith(expected)),
      `${expected} not in ${seen.join(' | ')}`,
    );
});

for (const [yaml, message] of [
  ['servers: { a: { package: npm:a@1.0.0, sandbox: { memory: 256 } } }', /needs a unit/],
  ['servers: { a: { package: npm:a@1.0.0, sandbox: { memory: 256MB } } }', /KiB, MiB/],
  ['servers: { a: { package: npm:a@1.0.0, sandbox: { deadline: 30 } } }', /needs a unit/],
  ['servers: { a: { package: npm:a@1.0.0, sandbox: { deadline: 0s } } }', /ms, s, m or h/],
  ['edge: { max_body: 9MiB }', /at most 8MiB/],
  ['edge: { listen: "8443" }', /HOST:PORT/],
  ['edge: { listen: "127.0.0.1:70000" }', /65535/],
] as const)
  test(`refuses a wrong unit: ${yaml}`, async (t) => {
    const [found] = await problems(t, yaml);
    assert.match(found?.message ?? '', message);
  });

for (const version of [
  '',
  '@latest',
  '@^1.0.0',
  '@1.x',
  '@>=1',
  '@1.0',
  '@*',
  '@npm:b@1.0.0',
  '@file:../x',
  '@1.0.0 || 2.0.0',
])
  test(`refuses a package that is not one exact version: "npm:a${version}"`, async (t) => {
    const [found] = await problems(t, `servers: { a: { package: "npm:a${version}" } }`);
    assert.match(found?.message ?? '', /exact version/);
  });

test('refuses an alias bomb', async (t) => {
  const levels = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++) {
    const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    levels.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`);
  }
  const [found] = await problems(t, levels.join('\n'));
  assert.match(found?.message ?? '', /aliases/);
});

test('refuses duplicate keys, custom tags, a second document and text that is not YAML, each with its line', async (t) => {
  for (const [yaml, line] of [
    ['edge: {}\npolicies: a\nedge: {}\n', 3],
    ['edge: !!js/function "x"\n', 1],
    ['edge: {}\n---\nedge: {}\n', 2],
    ['edge: {}\npolicies: [\n', 3],
  ] as const) {
    const [found] = await problems(t, yaml);
    assert.equal(found?.line, line, yaml);
  }
});

test('refuses a mount that would free the server', async (t) => {
  verifies('sandbox.scratch');
  const outside = scratch(t);
  symlinkSync('/proc', join(outside, 'innocent'));
  const host = ['/', '/proc', '/proc/1', '/run', '/var/run', '/dev', '/etc', join(outside, 'innocent'), './missing'];
  for (const from of [...host, '.', './.innerkeep', './.innerkeep/store', './innerkeep.yaml']) {
    const yaml = `servers: { a: { package: npm:a@1.0.0, mounts: [{ from: "${from}", to: /data }] } }`;
    const [found] = await problems(t, yaml, { '.innerkeep/store/x': '' });
    assert.equal(found?.key, 'servers.a.mounts[0].from', from);
  }
});

test("refuses a mount point that is the sandbox's own, relative, climbing or taken", async (t) => {
  for (const to of ['/', 'data', '/usr', '/usr/lib/x', '/srv', '/proc', '/data/../usr', '/tmp', '/data/']) {
    const [found] = await problems(
      t,
      `servers: { a: { package: npm:a@1.0.0, mounts: [{ from: ./data, to: "${to}" }] } }`,
      { 'data/a': '' },
    );
    assert.equal(found?.key, 'servers.a.mounts[0].to', to);
  }
  const twice = await problems(
    t,
    'servers: { a: { package: npm:a@1.0.0, mounts: [{ from: ./data, to: /d }, { from: ./data, to: /d }] } }',
    { 'data/a': '' },
  );
  assert.equal(twice[0]?.key, 'servers.a.mounts[1].to');
});

test('refuses a missing certificate and a missing policy directory, naming them', async (t) => {
  const [found] = await problems(t, 'edge:\n  tls: { cert: ./no.pem, key: ./no.key }\n');
  assert.equal(found?.line, 2);
  assert.match(found?.message ?? '', /no\.pem/);
  const config = await load(t, '');
  assert.throws(() => loadPolicies(config.policies), /policies.*cannot be read \(ENOENT\)/);
});

test('refuses a missing file with the way to make one', async (t) => {
  await assert.rejects(
    loadConfig(join(scratch(t), 'innerkeep.yaml')),
    /innerkeep\.yaml.*is not there; run `innerkeep init`/,
  );
});

test('refuses an issuer that is named twice, or that has no tenant, or two', async (t) => {
  const issuer = (tenant: string) => `{ issuer: "https://idp.example", ${tenant} }`;
  for (const list of [
    `${issuer('tenant: a')}, ${issuer('tenant: b')}`,
    issuer('audience: x'),
    issuer('tenant: a, tenant_claim: b'),
  ]) {
    const [found] = await problems(t, `identity: { issuers: [${list}] }`);
    assert.match(found?.key ?? '', /^identity\.issuers\[/, list);
  }
});

test('refuses an issuer that is no identifier (RFC 8414 §2), and one that is named twice, each with its place and mend', async (t) => {
  const bad = [
    'https://idp.example#x',
    'https://idp.example/a?b=c',
    'https://me:secret@idp.example',
    'http://idp.example',
  ];
  const lines = [...bad, 'https://same.example', 'https://same.example'];
  const yaml = (issuers: readonly string[]) =>
    `identity:\n  issuers:\n${issuers.map((issuer) => `    - { issuer: "${issuer}", tenant: a }\n`).join('')}`;
  const found = await problems(t, yaml(bad));
  assert.deepEqual(
    found.map(({ key, line }) => [key, line]),
    bad.map((_, at) => [`identity.issuers[${at}].issuer`, at + 3]),
  );
  assert.match(found[0]?.message ?? '', /no user, query or fragment; write it as/);
  const [twice] = await problems(t, yaml(lines.slice(bad.length)));
  assert.deepEqual([twice?.key, twice?.line], ['identity.issuers[1].issuer', 4]);
  assert.match(twice?.message ?? '', /named twice; keep/);
  // What is in the text decides, as in tokens: a path is a part of the identifier.
  assert.equal((await load(t, yaml(['https://idp.example', 'https://idp.example/b@c']))).identity.issuers.length, 2);
});

test('names of the language are names like any other', async (t) => {
  const config = await load(t, 'servers: { constructor: { url: "https://x.example/mcp" } }');
  assert.deepEqual(Object.keys(config.servers), ['constructor']);
  for (const yaml of [
    '__proto__: { edge: {} }',
    'servers: { __proto__: { url: "https://x.example/mcp" } }',
    'edge: { constructor: 1 }',
  ])
    assert.equal((await problems(t, yaml)).length, 1, yaml);
});

test('whatever the file holds, it is a configuration or a list of problems with places', async () => {
  const word = fc.constantFrom(
    'edge',
    'servers',
    'a',
    'package',
    'npm:a@1.0.0',
    'sandbox',
    'memory',
    '1MiB',
    'null',
    '*x',
    '&x',
    '!!set',
    '<<',
    '? ',
    '\t',
  );
  const mark = fc.constantFrom(':', ': ', '\n', '\n  ', '{', '}', '[', ']', ', ', '- ', '|', '"', '#', '%', '---\n');
  const text = fc
    .array(fc.oneof(word, mark, fc.string({ maxLength: 3 })), { maxLength: 20 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (yaml) => {
      try {
        parseConfig('/nowhere/innerkeep.yaml', yaml);
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        for (const { line, column, message } of error.problems) assert.ok(line >= 1 && column >= 1 && message !== '');
      }
    }),
    { numRuns: 500 },
  );
});

test('a problem’s text cannot act on the terminal', async (t) => {
  const [, error] = await loadConfig(
    join(scratch(t, { 'innerkeep.yaml': '"\\e[2J\\u202e": 1' }), 'innerkeep.yaml'),
  ).then(
    (config) => [config, undefined],
    (thrown: unknown) => [undefined, thrown],
  );
  assert.ok(error instanceof ConfigError);
  assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}]/u);
});

test('a fork-server is refused for whatever it is not made for', async (t) => {
  const server = (sandbox: string, command = '[python3, server.py]') =>
    `servers:\n  x:\n    root: ./x\n    command: ${command}\n    sandbox: { start: fork${sandbox} }\n`;
  const files = { 'x/server.py': '' };
  const config = await load(t, server(''), files);
  assert.equal(config.servers.x?.sandbox.start, 'fork');
  for (const yaml of [
    server(', isolation: session'),
    server(', driver: gvisor'),
    server(', egress: ["api.example.org:443"]'),
    server('', '[node, server.mjs]'),
    server('', '[python3, -u, server.py]'),
    server('', '[python3.12, server.py]'),
    'servers:\n  x:\n    package: npm:x@1.0.0\n    sandbox: { start: fork }\n',
  ]) {
    const [problem] = await problems(t, yaml, files);
    assert.match(problem?.message ?? '', /fork goes with .*; leave start out/, yaml);
  }
});
