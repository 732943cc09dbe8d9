import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { deepFreeze } from '../../src/contract/json.ts';
import { MalformedJson, parseStrict, rawElements, rawMembers } from '../../src/contract/strict-json.ts';
import { verifies } from '../support/verifies.ts';

const corpus = new URL('../../../shared/corpora/json.jsonl.gz', import.meta.url);
const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string, depth?: number) => parseStrict(bytes(text), depth).value;
const refuses = (text: string, message: RegExp) =>
  assert.throws(
    () => parse(text),
    (error) => error instanceof MalformedJson && message.test(error.message),
  );

/** A document with random white space and random spellings of its strings. */
const spelled = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, tie('scalar'), tie('string'), tie('array'), tie('object')),
  scalar: fc.oneof(fc.constantFrom('true', 'false', 'null', '-0', '1e5', '0.25'), fc.integer().map(String)),
  string: fc.tuple(fc.string({ unit: 'grapheme' }), fc.boolean()).map(([text, escaped]) => spell(text, escaped)),
  space: fc.constantFrom('', ' ', '\n', '\t\r'),
  array: fc
    .tuple(fc.array(tie('value'), { maxLength: 5 }), tie('space'))
    .map(([all, space]) => `[${space}${all.join(`${space},`)}${space}]`),
  object: fc
    .tuple(
      fc.uniqueArray(fc.tuple(fc.string(), tie('value'), fc.boolean()), { maxLength: 20, selector: ([key]) => key }),
      tie('space'),
    )
    .map(
      ([all, space]) =>
        `{${all.map(([key, value, escaped]) => `${space}${spell(key, escaped)}${space}:${value}`).join(',')}${space}}`,
    ),
}));

function spell(text: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(text);
  return `"${[...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
}

test('reads what JSON.parse reads, and freezes it on every level', () => {
  fc.assert(
    fc.property(spelled.value, (document) => {
      const text = String(document);
      const value = parse(text);
      assert.deepEqual(value, JSON.parse(text));
      assert.ok(isFrozen(value));
    }),
    { numRuns: 500 },
  );
});

test('refuses or reads, and never reads otherwise than JSON.parse, whatever the bytes', () => {
  const noise = fc.string({ unit: fc.constantFrom(...'{}[]:,"\\u0dD8a1- \n\u0001e.'.split('')), maxLength: 40 });
  fc.assert(
    fc.property(noise, (text) => {
      let value: unknown;
      try {
        value = parse(text);
      } catch (error) {
        assert.ok(error instanceof MalformedJson);
        return;
      }
      assert.deepEqual(value, JSON.parse(text));
    }),
    { numRuns: 3000 },
  );
});

test('a raw member or element is the exact text that it was', () => {
  fc.assert(
    fc.property(spelled.object, spelled.array, (object, array) => {
      const members = rawMembers(String(object));
      assert.deepEqual(
        Object.fromEntries([...members].map(([key, raw]) => [key, JSON.parse(raw)])),
        JSON.parse(String(object)),
      );
      assert.deepEqual(
        rawElements(String(array)).map((raw) => JSON.parse(raw)),
        JSON.parse(String(array)),
      );
      for (const raw of members.values()) assert.ok(String(object).includes(raw));
    }),
  );
});

test('refuses a key that is there twice, however it is spelled (RFC 8259 §4)', () => {
  verifies('input.strict');
  refuses('{"a":1,"a":2}', /duplicate/);
  refuses('{"a":1,"\\u0061":2}', /duplicate/);
  refuses('{"x":{"deep":[{"k":1,"k" : 1}]}}', /duplicate/);
  refuses('{"\\"":1,"\\u0022":2}', /duplicate/);
  refuses('{"__proto__":1,"__proto__":2}', /duplicate/);
  refuses(`{${[...Array(40).keys()].map((n) => `"k${n}":0`).join()},"k3":1}`, /duplicate/);
  assert.deepEqual(parse('{"a":{"a":["a","a"]},"b":"a"}'), { a: { a: ['a', 'a'] }, b: 'a' });
});

test('refuses a surrogate without its partner, a byte order mark and bytes that are not UTF-8', () => {
  refuses('"\\ud800"', /surrogate/);
  refuses('"\\udc00\\ud800"', /surrogate/);
  refuses('{"\\ud83dx":1}', /surrogate/);
  refuses('["\\\\","\\ud800"]', /surrogate/);
  assert.equal(parse('"\\ud83d\\ude00"'), '😀');
  assert.equal(parse('"\\\\ud800"'), '\\ud800');
  refuses('\ufeff{}', /not JSON/);
  assert.throws(() => parseStrict(Uint8Array.of(0x22, 0xc0, 0x80, 0x22)), /not UTF-8/);
});

test('a key named __proto__ is a property and changes no prototype', () => {
  const value = parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
  assert.deepEqual(Object.keys(value as object), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('refuses what is deeper than its bound, before anything recurses over it', () => {
  verifies('input.bounds');
  refuses('['.repeat(100_000) + ']'.repeat(100_000), /deeper/);
  refuses('{"a":'.repeat(100_000), /deeper/);
  assert.doesNotThrow(() => parse('['.repeat(64) + ']'.repeat(64)));
  refuses('['.repeat(65) + ']'.repeat(65), /deeper/);
  assert.throws(() => parse('[[[]]]', 2), /deeper than 2/);
  assert.deepEqual(parse('[[],[],[]]', 2), [[], [], []]);
});

test('work grows with the input and not with its square', () => {
  // Each shape would take minutes at this size if any step looked further than its own string.
  const size = 300_000;
  assert.equal((parse(`[${'"",'.repeat(size)}"\\n"]`) as unknown[]).length, size + 1);
  assert.equal(parse(`"${'\\\\'.repeat(size)}"`), '\\'.repeat(size));
  assert.equal(parse(`"${'\\"'.repeat(size)}"`), '"'.repeat(size));
  refuses(`"${'\\"'.repeat(size)}`, /unfinished/);
  refuses(`${'"\\\\",'.repeat(size)}`, /not JSON/);
  assert.equal(Object.keys(parse(`{${[...Array(size).keys()].map((n) => `"${n}":0`).join()}}`) as object).length, size);
});

test('accepts every valid and refuses every invalid document of the JSON test suite', (t) => {
  if (!existsSync(corpus)) return t.skip('corpora/json.jsonl.gz is absent');
  const records = gunzipSync(readFileSync(corpus)).toString('utf8').trim().split('\n');
  for (const line of records) {
    const { id, label, value } = JSON.parse(line) as { id: string; label: string; value: string };
    let accepted = true;
    try {
      parseStrict(Buffer.from(value, 'base64'));
    } catch (error) {
      assert.ok(error instanceof MalformedJson, id);
      accepted = false;
    }
    if (label !== 'either') assert.equal(accepted, label === 'valid', id);
  }
});

function isFrozen(value: unknown): boolean {
  return (
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  );
}

test('deepFreeze returns the value that it was given', () => {
  const value = { a: [1, { b: 2 }] };
  assert.equal(deepFreeze(value), value);
  assert.ok(isFrozen(value));
});
