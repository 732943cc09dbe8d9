import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import { appendMembers, dropMembers, findMember, readArray, readObject, splice } from '../../src/contract/splice.ts';
import { MalformedJson, parseStrict } from '../../src/contract/strict-json.ts';
import type { ExecutedMethod, Frame, Target } from '../../src/contract/tool-call.ts';
import { createCatalogue } from '../../src/gateway/descriptors/catalogue.ts';
import { outbound } from '../../src/gateway/descriptors/outbound.ts';
import { ownParams } from '../../src/gateway/descriptors/own-params.ts';
import { server } from '../edge/bench.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** JSON as nobody's library writes it: odd space, escapes that are not needed, numbers in every spelling. */
const space = fc.constantFrom('', '', ' ', '\n', '\t ', '\r\n');
const string = fc.string({ unit: 'grapheme', maxLength: 12 }).chain((value) =>
  fc.constantFrom(
    JSON.stringify(value),
    `"${[...value]
      .map((c) =>
        [...c]
          .flatMap((p) => p.split(''))
          .map((u) => `\\u${u.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join(''),
      )
      .join('')}"`,
  ),
);
const scalar = fc.oneof(
  string,
  fc.constantFrom('1.0e0', '-0', '1E+2', '12345678901234567890', 'true', 'false', 'null', '"]}"', '"{\\"a\\":1}"'),
);
const { value: json } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, tie('array'), tie('object')),
  array: fc
    .tuple(space, fc.array(tie('value'), { maxLength: 4 }))
    .map(([s, items]) => `[${s}${items.join(`${s},${s}`)}${s}]`),
  object: fc.tuple(space, fc.dictionary(fc.string({ maxLength: 6 }), tie('value'), { maxKeys: 4 })).map(
    ([s, members]) =>
      `{${s}${Object.entries(members)
        .map(([k, v]) => `${JSON.stringify(k)}${s}:${s}${v}`)
        .join(`${s},${s}`)}${s}}`,
  ),
}));
const object = fc
  .tuple(space, fc.uniqueArray(fc.tuple(fc.string({ maxLength: 6 }), json), { selector: ([key]) => key, maxLength: 6 }))
  .map(([s, members]) => ({
    members,
    text: `${s}{${s}${members.map(([k, v]) => `${JSON.stringify(k)}${s}:${s}${v}`).join(`${s},${s}`)}${s}}${s}`,
  }));

test('the members of an object are where they are, in any spelling', () => {
  fc.assert(
    fc.property(object, ({ members, text }) => {
      const read = readObject(text);
      assert.deepEqual(
        read.members.map(({ key, start, end }) => [key, text.slice(start, end)]),
        members,
      );
      assert.equal(text[read.close], '}');
    }),
  );
});

test('members that are dropped are gone, and the others keep every byte', () => {
  fc.assert(
    fc.property(object, fc.func(fc.boolean()), ({ members, text }, drop) => {
      const left = splice(
        text,
        dropMembers(readObject(text).members, (key) => drop(key)),
      );
      const kept = members.filter(([key]) => !drop(key));
      const read = readObject(left);
      assert.deepEqual(
        read.members.map(({ key, start, end }) => [key, left.slice(start, end)]),
        kept,
      );
      parseStrict(bytes(left));
    }),
  );
});

test('a member that is appended comes last, and the others keep every byte', () => {
  fc.assert(
    fc.property(object, ({ members, text }) => {
      const more = splice(text, [appendMembers(readObject(text), '"appended":[1]')]);
      const read = readObject(more);
      assert.deepEqual(
        read.members.map(({ key, start, end }) => [key, more.slice(start, end)]),
        [...members, ['appended', '[1]']],
      );
    }),
  );
});

test('text that is not JSON ends in MalformedJson, never in a hang', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'a', ' '), maxLength: 24 }),
      (text) => {
        for (const read of [() => readObject(text), () => readArray(text, 0)]) {
          try {
            read();
          } catch (error) {
            assert.ok(error instanceof MalformedJson || error instanceof SyntaxError, String(error));
          }
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

const target = (method: ExecutedMethod, next?: string): Target => ({
  server: 'files',
  method,
  action: '',
  pin: undefined,
  params: {},
  paramsRaw: '{}',
  headers: [],
  next,
});

test('a result of /mcp/SERVER to an older client is not touched at all', () => {
  fc.assert(
    fc.property(
      object,
      fc.constantFrom<ExecutedMethod>(
        'tools/call',
        'prompts/get',
        'resources/read',
        'resources/list',
        'completion/complete',
      ),
      ({ text, members }, method) => {
        fc.pre(!members.some(([key]) => key === 'resultType'));
        assert.equal(outbound(target(method), false, false, text), text);
      },
    ),
  );
});

test('on /mcp every URI of a result gets its server, and only those bytes change', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(string, json, space), { maxLength: 5 }), space, (items, s) => {
      const read = (prefix: string) =>
        items.map(([uri, other, t]) => `{"other":${other},${t}"uri"${t}:${s}"${prefix}${uri.slice(1)}}`);
      const linked = (prefix: string) => read(prefix).map((item) => item.replace('{', '{"type":"resource_link",'));
      const embedded = (prefix: string) =>
        read(prefix).map((item) => `{"resource":${item},"type":"\\u0072esource","uri":"kept"}`);
      const cases: [ExecutedMethod, (prefix: string) => string][] = [
        ['resources/read', (p) => `{"contents":[${s}${read(p).join(',')}]}`],
        ['resources/list', (p) => `{"resources":[${read(p).join(`${s},`)}]}`],
        [
          'tools/call',
          (p) =>
            `{"content":[${[...linked(p), ...embedded(p), '{"type":"text","text":"x","uri":"kept"}', '7'].join(',')}],"structuredContent":{"uri":"kept"}}`,
        ],
        [
          'prompts/get',
          (p) =>
            `{"messages":[${[...linked(p), ...embedded(p)].map((item) => `{"role":"user","content":${item}}`).join(',')},{"content":[${embedded(p).join(',')}]}]}`,
        ],
      ];
      const blocks = (p: string) => [...linked(p), ...embedded(p)].join(',') || '1';
      const messages = (p: string) =>
        `[{"role":"user","content":[${blocks(p)}]},{"content":{"type":"tool_result","content":[${blocks(p)}]}}]`;
      const asked = (p: string) =>
        `{"resultType":"input_required","inputRequests":{"a":{"params":{"messages":${messages(p)},"uri":"kept"},"method":"sampling/createMessage"},"b":{"method":"elicitation/create","params":{"url":"kept","messages":${messages('')}}},"c":7}}`;
      for (const method of ['tools/call', 'prompts/get', 'resources/read'] as const) {
        assert.equal(outbound(target(method), true, true, asked('')), asked('files+'), `${method}, input required`);
      }
      for (const [method, text] of cases) {
        fc.pre(method !== 'prompts/get' || items.length > 0);
        assert.equal(outbound(target(method), true, false, text('')), text('files+'), method);
      }
    }),
  );
});

test('a result for 2026-07-28 has what the revision demands, and is never shared between callers', () => {
  const fresh = (method: ExecutedMethod, raw: string) => outbound(target(method), false, true, raw);
  assert.equal(fresh('tools/call', '{}'), '{"resultType":"complete"}');
  assert.equal(fresh('tools/call', '{"content":[] }'), '{"content":[],"resultType":"complete" }');
  assert.equal(
    fresh('resources/read', '{"contents":[]}'),
    '{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}',
  );
  assert.equal(
    fresh('resources/list', '{"resultType":"complete","cacheScope":"public","ttlMs":-1,"resources":[]}'),
    '{"resultType":"complete","cacheScope":"private","ttlMs":0,"resources":[]}',
  );
  const asks = '{"resultType":"input_required","requestState":"s"}';
  assert.equal(fresh('resources/read', asks), asks);
});

test('refuses a result that the client could not understand: no object, or a question to an older client', () => {
  const refused = (raw: string, modern = false) =>
    assert.throws(
      () => outbound(target('tools/call'), true, modern, raw),
      (error) => error instanceof Refusal && error.code === 'upstream',
      raw,
    );
  for (const raw of ['[]', '"x"', 'null', '', '1', '{"content":[{']) refused(raw);
  refused('{"resultType":"input_required"}');
  refused('{"resultType":7}', true);
});

test('a name is put in and taken out again without another byte moving', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => name.isWellFormed()),
      object,
      (name, { members, text }) => {
        fc.pre(!members.some(([key]) => ['name', 'inputSchema', '_meta'].includes(key)));
        const own = splice(text, [appendMembers(readObject(text), `"name":${JSON.stringify(name)}`)]);
        const catalogue = createCatalogue([server('files', [], { tools: [{ name, raw: own, digest: '' }] })]);
        const entry = catalogue.tool(undefined, `files__${name}`);
        assert.equal(entry, catalogue.tool('files', name));
        const shown = entry?.publicRaw ?? '';
        const member = findMember(readObject(shown).members, 'name');
        assert.equal(JSON.parse(shown.slice(member?.start, member?.end)), `files__${name}`);

        const { value } = parseStrict(bytes(shown));
        const frame = {
          revision: '2025-11-25',
          modern: false,
          id: '1',
          method: 'tools/call',
          params: value,
          paramsRaw: shown,
        } as Frame;
        const back = ownParams(frame, { path: ['name'], value: name });
        assert.equal(back.paramsRaw, own);
        assert.deepEqual(back.params, parseStrict(bytes(own)).value);
      },
    ),
  );
});

test('refuses pins that are not what they say, or of which a name occurs twice', () => {
  const pin = (name: string, raw: string) => ({ name, raw, digest: '' });
  const build =
    (...tools: ReturnType<typeof pin>[]) =>
    () =>
      createCatalogue([server('files', [], { tools })]);
  assert.throws(build(pin('a', '{"name":"b"}')), /not the descriptor/);
  assert.throws(build(pin('a', '{"title":"a"}')), /not the descriptor/);
  assert.throws(build(pin('a', '[]')), /not the descriptor/);
  assert.throws(build(pin('a', '{"name":"b","name":"a"}')), MalformedJson);
  assert.throws(build(pin('a', '{"name":"a"}'), pin('a', '{"name":"a"}')), /twice/);
  assert.throws(() => createCatalogue([server('files', []), server('files', [])]), /twice/);
});
