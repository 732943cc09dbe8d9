import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { createFiles, replaceFiles } from '../../src/control-plane/config/atomic.ts';
import { withServer } from '../../src/control-plane/config/edit.ts';
import { scratch } from '../support/scratch.ts';

const block = { package: 'npm:a@1.0.0', args: ['/data'], mounts: [{ from: './data', to: '/data', mode: 'ro' }] };
const lines = `    package: npm:a@1.0.0
    args: [/data]
    mounts: [{ from: ./data, to: /data, mode: ro }]
`;

for (const [title, before, expected] of [
  ['an empty file', '', `servers:\n  a:\n${lines}`],
  ['a file without servers', '# mine\nedge: {} # kept\n', `# mine\nedge: {} # kept\n\nservers:\n  a:\n${lines}`],
  ['no line break at the end', 'edge: {}', `edge: {}\n\nservers:\n  a:\n${lines}`],
  ['an empty flow map', 'servers: {}   # none yet\nedge: {}\n', `servers:   # none yet\n  a:\n${lines}edge: {}\n`],
  ['a key alone', 'servers:\n  # here\n\nedge: {}\n', `servers:\n  a:\n${lines}  # here\n\nedge: {}\n`],
  [
    'another server',
    'servers:\n    b:   # kept\n        url: https://b.example/mcp   # kept\n\n# kept\nedge:   {}\n',
    `servers:\n    b:   # kept\n        url: https://b.example/mcp   # kept\n    a:\n${lines.replace(/^ {4}/gm, '      ')}\n# kept\nedge:   {}\n`,
  ],
] as const)
  test(`a server is added to ${title}; all else stays byte for byte`, () => {
    const after = withServer('f', before, 'a', block);
    assert.equal(after, expected);
  });

test('an existing server gets the new keys, and keeps its comments and its other keys', () => {
  const before = `servers:
  a: # the first
    # why it is here
    package: npm:a@0.9.0   # pinned
    args:
      - /old   # gone
      - /older
    resource: { tenant: acme }   # kept
  b: { url: "https://b.example/mcp" }
`;
  const after = withServer('f', before, 'a', block);
  for (const kept of ['# the first', '# why it is here', '# pinned', 'resource: { tenant: acme }   # kept', '  b: {'])
    assert.ok(after.includes(kept), `${kept} is gone:\n${after}`);
  assert.deepEqual(parse(after).servers.a, { ...block, resource: { tenant: 'acme' } });
});

test('refuses to add to servers that are not a map', () => {
  assert.throws(() => withServer('f', 'servers: [a]\n', 'b', block), /not a map/);
});

test('whatever the file holds: the server is there, and every other value is what it was', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,5}$/);
  const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 3 }));
  const servers = fc.dictionary(name, fc.dictionary(name, value, { maxKeys: 3 }), { maxKeys: 3 });
  const file = fc.record({ edge: value, servers, policies: fc.string() }, { requiredKeys: [] });
  const style = fc.record({
    collectionStyle: fc.constantFrom('any', 'block', 'flow'),
    indent: fc.constantFrom(2, 4),
  } as const);
  fc.assert(
    fc.property(file, style, name, fc.array(fc.string()), (settings, format, own, args) => {
      const block = { package: 'npm:a@1.0.0', args };
      const before = stringify(settings, format);
      const known = parse(before) ?? {};
      const after = parse(withServer('f', before, own, block));
      const old = known.servers?.[own];
      assert.deepEqual(after, { ...known, servers: { ...known.servers, [own]: { ...old, ...block } } });
    }),
    { numRuns: 300 },
  );
});

test('files are replaced all or none, and nothing is left beside them', (t) => {
  const directory = scratch(t, { a: 'old a', 'b/keep': '' });
  // A directory stands where the second file has to go: its move fails after the first was made.
  assert.throws(() =>
    replaceFiles([
      { path: join(directory, 'a'), text: 'new a' },
      { path: join(directory, 'b'), text: 'new b' },
    ]),
  );
  assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'old a');
  assert.deepEqual(readdirSync(directory).sort(), ['a', 'b']);
});

test('new files are made all or none, and an existing one is never touched', (t) => {
  const directory = scratch(t, { b: 'mine' });
  assert.throws(
    () =>
      createFiles([
        { path: join(directory, 'a'), text: 'a' },
        { path: join(directory, 'b'), text: 'b' },
      ]),
    /EEXIST/,
  );
  assert.equal(readFileSync(join(directory, 'b'), 'utf8'), 'mine');
  assert.deepEqual(readdirSync(directory), ['b']);
});

test('a file that is replaced keeps its mode, and a link to it stays a link', (t) => {
  const directory = scratch(t, { a: 'old' });
  chmodSync(join(directory, 'a'), 0o600);
  symlinkSync('a', join(directory, 'link'));
  replaceFiles([{ path: join(directory, 'link'), text: 'new' }]);
  assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'new');
  assert.equal(statSync(join(directory, 'a')).mode & 0o777, 0o600);
});
