import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Json, JsonObject } from '../../src/contract/json.ts';
import { compileInput, compileInputs, openLevels } from '../../src/gateway/input-validation/compile.ts';
import { SchemaError } from '../../src/gateway/input-validation/schema-error.ts';
import { read } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

const suite = new URL('../../../shared/corpora/suites/json-schema-2020-12.jsonl.gz', import.meta.url);

function compile(inputSchema: object, open_schema: readonly string[] = []) {
  return compileInput(
    { name: 'tool', raw: JSON.stringify({ name: 'tool', inputSchema }), digest: '' },
    { open_schema },
  );
}

const passes = (schema: object, value: JsonObject, open: readonly string[] = []) =>
  assert.equal(compile(schema, open).check(value), undefined);
const stops = (schema: object, value: JsonObject, detail: RegExp, open: readonly string[] = []) =>
  assert.match(compile(schema, open).check(value) ?? 'passed', detail);
const uncompilable = (schema: object, message: RegExp, open: readonly string[] = []) =>
  assert.throws(
    () => compile(schema, open),
    (error) => error instanceof SchemaError && error.tool === 'tool' && message.test(error.message),
  );

const text = { type: 'string' };
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });

test('refuses an additional property at each level that declares properties, even where the schema is lax', () => {
  verifies('input.strict');
  const schema = object({ a: text, in: object({ b: text }), list: { type: 'array', items: object({ c: text }) } });
  passes(schema, { a: '', in: { b: '' }, list: [{ c: '' }] });
  stops(schema, { z: 1 }, /^\/z: additional property/);
  stops(schema, { in: { z: 1 } }, /^\/in\/z: additional property, not declared at schema \/properties\/in$/);
  stops(schema, { list: [{ c: '' }, { z: 1 }] }, /^\/list\/1\/z: additional/);
  stops(object({ a: text }, { additionalProperties: true }), { z: 1 }, /^\/z/);
  stops(object({ a: text }, { additionalProperties: {} }), { z: 1 }, /^\/z/);
  stops(object({}), { z: 1 }, /^\/z/);
  stops({ properties: { a: text } }, { z: 1 }, /^\/z/);
  stops(object({ a: text }), { '': 1 }, /^\/:/);
});

test('names that JavaScript knows are additional properties like any other', () => {
  verifies('input.strict');
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    const value = JSON.parse(`{"a":"","${name}":{"x":1}}`) as JsonObject;
    stops(object({ a: text }), value, /additional property/);
  }
  for (const name of ['__proto__', 'constructor']) {
    stops(object({ a: text }, { required: [name] }), { a: '' }, /required/);
    const declared = JSON.parse(
      `{"type":"object","properties":{"${name}":{"type":"object","properties":{"x":{"type":"integer"}}}}}`,
    );
    passes(declared, {});
    passes(declared, JSON.parse(`{"${name}":{"x":1}}`));
    stops(declared, JSON.parse(`{"${name}":{"x":1,"y":2}}`), /y: additional/);
    stops(declared, JSON.parse(`{"${name}":3}`), /type/);
  }
  // The validator asks with `in` for these, and would find them in every object.
  for (const schema of [
    { required: ['toString'] },
    { properties: { valueOf: text } },
    { dependentRequired: { toString: ['a'] } },
    { dependencies: { a: ['valueOf'] } },
    { dependentSchemas: { toString: {} } },
  ]) {
    uncompilable({ type: 'object', ...schema }, /cannot be told from JavaScript's own/);
  }
});

test('composition still composes: what any schema of a level declares, the level declares', () => {
  verifies('input.strict');
  const ref = { $ref: '#/$defs/base' };
  const $defs = { base: object({ id: text, inner: object({ x: text }) }) };
  const all = { type: 'object', allOf: [ref, object({ name: text })], $defs };
  passes(all, { id: '', name: '', inner: { x: '' } });
  stops(all, { id: '', z: '' }, /^\/z/);
  stops(all, { inner: { z: '' } }, /^\/inner\/z/);
  // Two that each describe a part of the same nested object.
  const cousins = { allOf: [object({ in: object({ a: text }) }), object({ in: object({ b: text }) })] };
  passes({ type: 'object', ...cousins }, { in: { a: '', b: '' } });
  stops({ type: 'object', ...cousins }, { in: { a: '', z: '' } }, /^\/in\/z/);
  const nested = object({ x: ref }, { $defs });
  passes(nested, { x: { id: '' } });
  stops(nested, { x: { z: 1 } }, /^\/x\/z/);
  const tree = object({ kids: { type: 'array', items: { $ref: '#' } }, n: { type: 'integer' } });
  passes(tree, { kids: [{ kids: [{ n: 1 }] }] });
  stops(tree, { kids: [{ kids: [{ z: 1 }] }] }, /^\/kids\/0\/kids\/0\/z/);
});

test('a property of an alternative that does not hold is additional', () => {
  verifies('input.strict');
  const branches = [
    object({ kind: { const: 'a' }, foo: text }, { required: ['kind'] }),
    object({ kind: { const: 'b' }, bar: text }, { required: ['kind'] }),
  ];
  for (const keyword of ['anyOf', 'oneOf']) {
    const schema = { type: 'object', [keyword]: branches };
    passes(schema, { kind: 'a', foo: '' });
    passes(schema, { kind: 'b', bar: '' });
    stops(schema, { kind: 'a', bar: 1 }, /^\/bar: additional/);
    stops(schema, { kind: 'a', z: 1 }, /^\/z: additional/);
    stops(object({ in: { [keyword]: [...branches, { type: 'null' }] } }), { in: { kind: 'b', foo: '' } }, /^\/in\/foo/);
  }
  const conditional = object(
    { kind: text },
    {
      if: { properties: { kind: { const: 'a' } } },
      then: { properties: { foo: text } },
      else: { properties: { bar: text } },
    },
  );
  passes(conditional, { kind: 'a', foo: '' });
  stops(conditional, { kind: 'a', bar: '' }, /^\/bar/);
  passes(conditional, { kind: 'b', bar: '' });
  const dependent = object({ a: text }, { dependentSchemas: { a: { properties: { b: text } } } });
  passes(dependent, { a: '', b: '' });
  stops(dependent, { b: '' }, /^\/b/);
});

test('strictness lets nothing through that the schema itself refuses', () => {
  // Closing each branch would leave exactly one of them standing.
  const ambiguous = { type: 'object', oneOf: [object({ a: { type: 'integer' } }), object({ b: { type: 'integer' } })] };
  stops(ambiguous, { a: 1 }, /oneOf/);
  stops(object({ a: {} }, { not: object({ a: text }, { required: ['a'] }) }), { a: '' }, /not/);
});

interface Group {
  readonly file: string;
  readonly description: string;
  readonly schema: Json;
  readonly tests: readonly { readonly description: string; readonly data: JsonObject; readonly valid: boolean }[];
}

/** Why our verdict is another one than the official suite's; the reasons are docs/detectors.md's. */
function disagreement(error: unknown, file: string): string {
  if (!(error instanceof SchemaError))
    return file.endsWith('/format.json') ? 'format is checked' : 'format, one spelling';
  const { message } = error;
  const reasons: Readonly<Record<string, RegExp>> = {
    'nothing is fetched': /points outside of the schema/,
    'unknown dialect': /unknown dialect/,
    'one schema, one identity': /identity of its own|is there twice/,
    'pattern without a linear form': /pattern refused/,
    "JavaScript's own name": /JavaScript's own/,
  };
  const found = Object.entries(reasons).find(([, pattern]) => pattern.test(message));
  assert.ok(found, `no reason is told for: ${message}`);
  return found[0];
}

test('agrees with the official suite, strictness aside, but for what the documentation lists', (t) => {
  if (!existsSync(suite)) return t.skip('corpora/suites/json-schema-2020-12.jsonl.gz is absent');
  const verdicts: Record<string, number> = {};
  const add = (name: string, count = 1) => {
    verdicts[name] = (verdicts[name] ?? 0) + count;
  };
  for (const line of gunzipSync(readFileSync(suite)).toString('utf8').trim().split('\n')) {
    const { file, description: group, schema, tests } = JSON.parse(line) as Group;
    add('tests', tests.length);
    let input: ReturnType<typeof compile>;
    try {
      input = compile(typeof schema === 'boolean' ? { allOf: [schema] } : (schema as object));
    } catch (error) {
      add(disagreement(error, file), tests.length);
      continue;
    }
    for (const { description, data, valid } of tests) {
      const fits = input.fits(data);
      assert.ok(valid || !fits, `accepted: ${group}: ${description}`);
      add(fits === valid ? 'agree' : disagreement(undefined, file));
      if (fits && input.check(data) !== undefined) add('stricter');
    }
  }
  const table = read('docs/detectors.md');
  for (const [name, count] of Object.entries(verdicts))
    assert.ok(table.includes(`\n| ${name} | ${count.toLocaleString('en')} |`), `${name}: ${count}`);
});

test('a named exception opens that level and no other', () => {
  verifies('input.strict');
  const schema = object({ filter: object({ a: text, deep: object({ b: text }) }), other: object({ c: text }) });
  passes(schema, { filter: { z: [1] } }, ['/properties/filter']);
  stops(schema, { filter: { a: 1 } }, /^\/filter\/a: type/, ['/properties/filter']);
  stops(schema, { filter: { deep: { z: 1 } } }, /^\/filter\/deep\/z/, ['/properties/filter']);
  stops(schema, { other: { z: 1 } }, /^\/other\/z/, ['/properties/filter']);
  stops(schema, { z: 1 }, /^\/z/, ['/properties/filter']);
  passes(schema, { z: 1 }, ['']);
  passes(object({ x: { $ref: '#/$defs/d' } }, { $defs: { d: object({ a: text }) } }), { x: { z: 1 } }, ['/$defs/d']);
  for (const wrong of ['/properties/nothing', '/properties', 'properties/filter', '/properties/filter/'])
    uncompilable(schema, /open_schema/, [wrong]);
});

test('levels that are open by intent stay as they are and are told', () => {
  const schema = object({
    map: { type: 'object', additionalProperties: object({ a: text }) },
    free: { type: 'object' },
    any: {},
    closed: object({ a: text }),
    list: { type: 'array' },
    word: text,
    nothing: { anyOf: [object({ a: text }), { type: 'null' }] },
  });
  assert.deepEqual(openLevels(schema as object as JsonObject), [
    '/properties/any',
    '/properties/free',
    '/properties/list',
    '/properties/map',
  ]);
  passes(schema, { map: { k: { a: '' } }, free: { z: { y: 1 } }, any: { z: 1 }, list: [{ z: 1 }] });
  stops(schema, { map: { k: { z: 1 } } }, /^\/map\/k\/z: additional/);
  assert.deepEqual(compile(schema, ['/properties/closed']).open, [
    '/properties/any',
    '/properties/closed',
    '/properties/free',
    '/properties/list',
    '/properties/map',
  ]);
});

test('honours draft-07, as generators still write it', () => {
  const $schema = 'http://json-schema.org/draft-07/schema#';
  const schema = object(
    {
      a: { $ref: '#/definitions/d', minLength: 100 },
      pair: { type: 'array', items: [text, { type: 'integer' }], additionalItems: false },
      x: text,
      y: text,
    },
    { $schema, definitions: { d: text }, dependencies: { x: ['y'] } },
  );
  passes(schema, { a: 'short', pair: ['', 1], x: '', y: '' });
  stops(schema, { pair: [1, 1] }, /^\/pair\/0/);
  stops(schema, { pair: ['', 1, 2] }, /pair/);
  stops(schema, { x: '' }, /dependentRequired/);
  stops(object({ a: { $ref: '#/$defs/d', minLength: 100 } }, { $defs: { d: text } }), { a: 'short' }, /minLength/);
});

test('refuses what it would have to fetch, and dialects that it does not know', () => {
  verifies('input.strict');
  uncompilable(object({ a: { $ref: 'https://example.org/schema.json' } }), /\/properties\/a\/\$ref: points outside/);
  uncompilable(object({ a: { $ref: 'other.json#/x' } }), /points outside/);
  uncompilable(object({ a: { $ref: '//example.org/x' } }), /points outside/);
  uncompilable(object({}, { $schema: 'https://example.org/dialect' }), /unknown dialect/);
  uncompilable(object({}, { $schema: 'http://json-schema.org/draft-04/schema#' }), /unknown dialect/);
  uncompilable(object({ a: { $ref: '#/$defs/none' } }), /points to nothing/);
  uncompilable(object({ a: { $ref: '#/__proto__' } }), /points to nothing/);
  uncompilable(object({ a: { $ref: '#none' } }), /anchor/);
});

test('refuses a keyword that it could only skip', () => {
  uncompilable(object({ a: { type: 'strnig' } }), /\/properties\/a\/type/);
  uncompilable(object({ a: { minimum: '3' } }), /minimum: must be a number/);
  uncompilable(object({ a: { exclusiveMinimum: true } }), /exclusiveMinimum/);
  uncompilable(object({ a: { required: true } }), /required/);
  uncompilable(object({ a: 'string' }), /\/properties\/a: not a schema/);
  uncompilable(object({ a: { anyOf: {} } }), /anyOf/);
});

test('bounds what a hostile schema costs, at compile and at each call', () => {
  verifies('input.bounds');
  const many = (count: number, of: (n: number) => object) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, of(n)]));
  uncompilable(object(many(5000, () => ({}))), /schemas/);
  uncompilable(object({ a: { description: 'x'.repeat(300_000) } }), /bytes/);
  uncompilable(object(many(300, (n) => ({ pattern: `a${n}` }))), /patterns/);
  // Written out, these would fill the memory.
  uncompilable(object({ a: { pattern: '[a-z]{1,1000}'.repeat(8) } }), /too many repetitions/);
  uncompilable(object(many(30, () => ({ pattern: 'a{900}' }))), /too many steps in all/);
  uncompilable(object({ a: { pattern: `${'('.repeat(99)}a${')'.repeat(99)}` } }), /groups/);
  uncompilable(object(many(1500, () => ({ $ref: '#' }))), /references/);
  uncompilable(object({ a: JSON.parse(`${'{"not":'.repeat(100)}{}${'}'.repeat(100)}`) }), /deeper/);
  // Each level doubles the work: 2^40 evaluations if nobody counted them.
  const doubling = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [
      `d${n}`,
      { anyOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
    ]),
  );
  const schema = object({ a: { $ref: '#/$defs/d0' } }, { $defs: { ...doubling, d40: { const: 1 } } });
  passes(schema, { a: 1 });
  stops(schema, { a: 2 }, /too many steps/);
  const endless = object({ a: { $ref: '#/$defs/x' } }, { $defs: { x: { $ref: '#/$defs/x' } } });
  stops(endless, { a: 1 }, /^\//);
});

test('patterns run in linear time, also those for names of properties', () => {
  verifies('input.bounds');
  const evil = `${'a'.repeat(8000)}!`;
  stops(object({ a: { type: 'string', pattern: '(a+)+$' } }), { a: evil }, /^\/a: pattern/);
  stops(object({ a: { type: 'string', pattern: '^(a|a)*$' } }), { a: evil }, /pattern/);
  const names = object({}, { patternProperties: { '^(a+)+$': text }, additionalProperties: false });
  passes(names, { aaa: '' });
  stops(names, { [evil]: '' }, /does not match/);
  stops(object({}, { patternProperties: { '^(a+)+$': text } }), { [evil]: '' }, /additional property/);
  passes(object({ n: { propertyNames: { pattern: '^(b+)+$' } } }), { n: { bb: 1 } });
});

test('patterns mean what ECMA-262 says, or are refused with the place', () => {
  const matches = (pattern: string, value: string) =>
    compile(object({ a: { type: 'string', pattern } })).check({ a: value }) === undefined;
  for (const [pattern, value] of [
    ['^.$', '\r'],
    ['^.$', '\u2028'],
    ['^.$', 'é'],
    ['^\\s$', '\u00a0'],
    ['^[\\s]$', '\ufeff'],
    ['^\\S$', '\u00a0'],
    ['^[^\\s]$', 'x'],
    ['^[\\S]$', '\u3000'],
    ['^\\w$', 'é'],
    ['^\\d+$', '٣'],
    ['^[[:alpha:]]$', 'a]'],
    ['^[[:alpha:]]$', 'x'],
    ['^[[:alpha:]$', ':'],
    ['\\u0041', 'A'],
    ['^\\p{L}$', 'é'],
    ['^a|b$', 'xb'],
    ['^[\\w.-]+$', 'a.b-c'],
    ['$', ''],
    ['^(?!x)[a-z]+$', 'xa'],
    ['^(?!x)[a-z]+$', 'ax'],
    ['^(?=.*\\d)(?!.*\\.\\.)[a-z0-9.]+$', 'a1.b'],
    ['^(?=.*\\d)(?!.*\\.\\.)[a-z0-9.]+$', 'a1..b'],
    ['^(?=.*\\d)(?!.*\\.\\.)[a-z0-9.]+$', 'a.b'],
  ] as const) {
    assert.equal(matches(pattern, value), native(pattern).test(value), `${pattern} on ${JSON.stringify(value)}`);
  }
  for (const pattern of ['(?<=a)b', '(a)\\1', 'x(?=y)', '^(?!a)b|c', '(?i)a', '\\Aa', '(', 'a{2000}']) {
    uncompilable(object({ a: { pattern } }), /\/properties\/a\/pattern: pattern refused/);
  }
});

function native(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return new RegExp(pattern);
  }
}

test('a tool that cannot be enforced is told by server and tool, and the others are compiled', () => {
  const pin = (name: string, inputSchema: object) => ({ name, raw: JSON.stringify({ name, inputSchema }), digest: '' });
  const tools = [
    pin('good', object({})),
    pin('bad', object({ a: { pattern: '(a)\\1' } })),
    pin('toString', object({})),
  ];
  const { byAction, refused } = compileInputs([{ pins: { name: 'srv', tools }, tools: {} }]);
  assert.deepEqual([...byAction.keys()], ['srv/good', 'srv/toString']);
  assert.deepEqual(
    refused.map(({ server, error }) => [server, error.tool, error.pointer]),
    [['srv', 'bad', '/properties/a/pattern']],
  );
});
