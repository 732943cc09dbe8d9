import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError } from '../../src/control-plane/config/problem.ts';
import { verifies } from '../support/verifies.ts';

const good = {
  ref: 'notes-api',
  host: 'api.example.org',
  methods: '[GET, POST]',
  paths: '["/v1/*", /exact]',
  header: '"Authorization: Bearer {value}"',
};

function parse(
  more: Readonly<Record<string, string>>,
  egress = '["api.example.org:443"]',
  head = 'root: ./srv\n    command: [node, x.mjs]',
) {
  const entry = Object.entries({ ...good, ...more }).map(([key, value]) => `${key}: ${value}`);
  const text = `servers:\n  notes:\n    ${head}\n    sandbox: { egress: ${egress} }\n    secrets:\n      - { ${entry.join(', ')} }\n`;
  return parseConfig('/nowhere/innerkeep.yaml', text);
}

function problem(...given: Parameters<typeof parse>): string {
  try {
    parse(...given);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ line, key, message }) => `${line} ${key}: ${message}`).join('\n');
  }
  return 'accepted';
}

suite('`secrets` of a server', () => {
  test('are per subject unless they say per tenant, at port 443 unless they say another', () => {
    assert.deepEqual(parse({}).servers.notes?.secrets, [
      {
        ref: 'notes-api',
        host: 'api.example.org',
        port: 443,
        methods: ['GET', 'POST'],
        paths: ['/v1/*', '/exact'],
        header: 'Authorization: Bearer {value}',
        per: 'subject',
      },
    ]);
  });

  const wrong: readonly (readonly [what: string, more: Readonly<Record<string, string>>, words: RegExp])[] = [
    ['one that everybody shares', { per: 'server' }, /secrets\[0\]\.per/],
    ['one that everybody shares, by another word', { shared: 'true' }, /secrets\[0\]\.shared: unknown key/],
    ['a value in the file', { value: 'sk_live_x' }, /secrets\[0\]\.value: unknown key/],
    [
      'a host that cannot be reached',
      { host: 'other.example.org' },
      /^7 servers\.notes\.secrets\[0\]\.host: .*add it to sandbox\.egress/,
    ],
    ['another port', { port: '8443' }, /8443 cannot be reached/],
    ['a wildcard host', { host: '"*.example.org"' }, /no wildcard/],
    ['an upper-case host', { host: 'API.example.org' }, /lower-case/],
    ['no method', { methods: '[]' }, /methods/],
    ['a lower-case method', { methods: '[get]' }, /upper-case/],
    ['CONNECT', { methods: '[CONNECT]' }, /never get a credential/],
    ['TRACE', { methods: '[TRACE]' }, /never get a credential/],
    ['no path', { paths: '[]' }, /paths/],
    ...[
      'v1/*',
      '/v1/*/x',
      '/v1*',
      '/v*/x',
      '/**',
      '/v1/../x',
      '/v1//x',
      '/v1/%2e',
      '/v1/%2fx',
      '/v1;a/x',
      '/v1?x',
      '/v1#x',
      '/v1/ x',
      '/ü',
    ].map((path) => [`the path ${path}`, { paths: `[${JSON.stringify(path)}]` }, /a path is plain/] as const),
    ...[
      'Authorization',
      'Authorization: Bearer',
      'X: {value}{value}',
      '{value}: x',
      'X Y: {value}',
      'X:{value}',
      'X: {value}\\r\\nY: 1',
      'X: é{value}',
    ].map(
      (header) =>
        [`the header ${header}`, { header: `"${header}"` }, /a header is NAME: VALUE|exactly one \{value\}/] as const,
    ),
    ...[
      'Host',
      'Content-Length',
      'transfer-encoding',
      'Connection',
      'TE',
      'Trailer',
      'Upgrade',
      'Proxy-Authorization',
      'Keep-Alive',
      'Expect',
    ].map((name) => [`the header ${name}`, { header: `"${name}: {value}"` }, /frames or routes/] as const),
  ];
  for (const [what, more, words] of wrong)
    test(`refuses ${what}`, () => {
      verifies('secrets.injection');
      assert.match(problem(more), words);
    });

  test('refuses a host without TLS, a remote server, and a CA that nothing uses', () => {
    verifies('secrets.injection');
    assert.match(problem({}, '[{ host: api.example.org, port: 443, tls: false }]'), /without TLS/);
    assert.match(problem({}, '[{ host: "*.example.org", port: 443 }]'), /by this very name/);
    const unused = '["api.example.org:443", { host: b.example.org, port: 443, ca: ./ca.pem }]';
    assert.match(problem({}, unused), /sandbox\.egress\[1\]\.ca: TLS does not end at the proxy/);
    assert.match(problem({}, '[]', 'url: https://mcp.example.org/mcp'), /secrets: a remote server runs in no sandbox/);
  });

  test('refuses one name that is per subject here and per tenant there', () => {
    const second = `POST], paths: [/x], header: "X-Key: {value}" }\n      - { ref: notes-api, per: tenant, host: api.example.org, methods: [PUT`;
    assert.match(problem({ methods: `[${second}]` }), /give them two names/);
  });
});
