import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, files, PUBLIC_FILES, server, tool } from './support.ts';

const engine = engineOf(PUBLIC_FILES);

test('refuses a path that is not canonical where a policy compares paths', () => {
  verifies('authz.question');
  const bad = [
    '/data/public/../secret',
    '/data/public/..',
    '/data/public/a/../../../etc/passwd',
    '/data/public/./a',
    '/data/public//a',
    '//data/public/a',
    '/data/public/',
    '/data/public/a\\..\\..\\secret',
    '/data/public/%2e%2e/secret',
    '/data/public/%2E./secret',
    '/data/public/..%2fsecret',
    '/data/public/%252e%252e/secret',
    '/data/public/%5c..%5csecret',
    '/data/public/a\0.txt',
    '/data/public/a%00.txt',
    '/data/public/a\n',
    '/data/public/\u2028',
    '/data/public/e\u0301',
    '/data/public/\ud800',
    'data/public/a',
    '~/public/a',
    '',
    '.',
  ];
  for (const path of bad) {
    const verdict = decide(engine, { path });
    assert.equal(verdict.allow, false, path);
    assert.match(verdict.notCanonical ?? '', /^arguments\.path: /, path);
  }
});

test('permits canonical paths, with dots and non-ASCII letters in their names', () => {
  verifies('authz.question');
  for (const path of [
    '/data/public/a',
    '/data/public/.hidden/..b/c...',
    '/data/public/\u00e9t\u00e9',
    '/data/public/a b%c',
  ])
    assert.deepEqual([decide(engine, { path }).allow, path], [true, path]);
  assert.equal(decide(engine, { path: '/' }).notCanonical, undefined);
});

test('whatever is permitted lies inside the permitted directory (random paths)', () => {
  verifies('authz.question');
  const part = fc.oneof(
    fc.constantFrom(
      '..',
      '.',
      '',
      'public',
      'data',
      'secret',
      '%2e%2e',
      '%2f',
      '\\',
      '~',
      '\0',
      'e\u0301',
      '.. ',
      '..;',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const path = fc.tuple(fc.constantFrom('/data/public/', '/data/', '/', ''), fc.array(part, { maxLength: 6 }));
  let permitted = 0;
  fc.assert(
    fc.property(path, ([prefix, parts]) => {
      const text = prefix + parts.join('/');
      if (!decide(engine, { path: text }).allow) return;
      permitted++;
      assert.equal(posix.normalize(text), text);
      // As a server reads it that decodes once more, or takes a backslash for a separator.
      const escapes = text.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
      for (const read of [text, escapes, text.replaceAll('\\', '/')])
        assert.ok(posix.normalize(read).startsWith('/data/public/'), read);
    }),
    { numRuns: 1500 },
  );
  assert.ok(permitted > 20, `${permitted} permitted`);
});

const web = server('web', [
  tool(
    'get',
    { url: { type: 'string' }, mode: { type: 'string' }, urls: { type: 'array', items: { type: 'string' } } },
    ['url'],
  ),
]);
const scope = 'principal in Tenant::"acme", action == Action::"web/get", resource == Tenant::"acme"';
const asked = { action: 'web/get' };

test('refuses a URL that is not canonical where a policy compares URLs', () => {
  verifies('authz.question');
  const engine = engineOf(`permit (${scope}) when { context.args.url like "https://api.example/v1/*" };`, [web]);
  const bad = [
    'https://api.example/v1/../admin',
    'https://api.example/v1/%2e%2e/admin',
    'https://api.example/v1/..%2fadmin',
    'https://api.example/v1/%61dmin',
    'https://api.example/v1/%c3%a9',
    'https://api.example/v1//a',
    'https://api.example/v1/\u00e9',
    'https://API.example/v1/a',
    'https://api.example:443/v1/a',
    'https://api.example./v1/a',
    'https://user@api.example/v1/a',
    'https://@api.example/v1/a',
    'https://api.example\\@evil.example/v1/a',
    'https:/api.example/v1/a',
    'ht\ttps://api.example/v1/a',
    ' https://api.example/v1/a',
    '//api.example/v1/a',
    'api.example/v1/a',
    '',
  ];
  for (const url of bad) assert.match(decide(engine, { url }, asked).notCanonical ?? '', /^arguments\.url: /, url);
  assert.equal(decide(engine, { url: 'https://api.example/v1/a?q=%2F..%2F#x' }, asked).allow, true);
  assert.equal(decide(engine, { url: 'https://evil.example/v1/a' }, asked).notCanonical, undefined);
});

test('a forbidden address cannot be written otherwise', () => {
  verifies('authz.question');
  const text = `permit (${scope}); forbid (principal, action == Action::"web/get", resource) when { context.args.url like "http://169.254.169.254/*" };`;
  const engine = engineOf(text, [web]);
  for (const host of [
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '169.254.43518',
    '169.254.169.254.',
    '\uff11\uff16\uff19.254.169.254',
    'x@169.254.169.254',
  ])
    assert.equal(decide(engine, { url: `http://${host}/latest` }, asked).allow, false, host);
  assert.equal(decide(engine, { url: 'http://example.org/latest' }, asked).allow, true);
});

test('finds the compared argument behind unless, if-then-else, sets, records and array arguments', () => {
  verifies('authz.question');
  const conditions = [
    'unless { context.args.url == "https://h/x" }',
    'when { if context.args has mode then "https://h/x" != context.args.url else false }',
    'when { !["https://h/x"].contains(context.args.url) }',
    'when { {u: context.args.url}.u != "https://h/x" }',
    'when { (if context.hour > 3 then context.args else context.args).url != "https://h/x" }',
    'when { !(context.args["url"] like "https://h/*") }',
    'when { context.args has urls && !context.args.urls.containsAny(["https://h/x"]) }',
  ];
  for (const condition of conditions) {
    const engine = engineOf(`permit (${scope}) ${condition};`, [web]);
    const clean = { url: 'https://other/x', mode: 'm/n', urls: ['https://other/x'] };
    const verdict = decide(engine, { ...clean, url: 'https://H/x', urls: ['https://h/../x'] }, asked);
    assert.ok(verdict.notCanonical, condition);
  }
});

test('leaves arguments alone that no policy compares as a path or URL', () => {
  verifies('authz.question');
  const engine = engineOf(`permit (${scope}) when { context.args has mode && context.args.mode == "fast" };`, [web]);
  assert.equal(decide(engine, { url: 'a/../b', mode: 'fast' }, asked).allow, true);
  const read =
    'permit (principal in Tenant::"acme", action == Action::"files#resources/read", resource == Tenant::"acme") when { context.args.uri like "file:///data/public/*" };';
  const resources = engineOf(read, [files]);
  const ask = (uri: string) => decide(resources, { uri }, { action: 'files#resources/read' });
  assert.equal(ask('file:///data/public/a').allow, true);
  assert.ok(ask('file:///data/public/../secret').notCanonical);
  assert.ok(ask('file://localhost/data/public/a').notCanonical);
});
