import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Check } from 'typebox/schema';
import type { Json } from '../../src/contract/json.ts';
import { acceptsOf } from '../../src/gateway/execution/requested-schema.ts';
import { refused } from './support.ts';

const form = (field: Json, required: readonly string[] = ['f']) => ({
  type: 'object',
  properties: { f: field },
  required,
});

test('holds each kind of field against its limits', () => {
  const cases: [Json, readonly Json[], readonly Json[]][] = [
    [{ type: 'string', minLength: 2, maxLength: 3 }, ['ab', '\u{1f600}\u{1f600}'], ['a', 'abcd', 1, null]],
    [{ type: 'string', format: 'email' }, ['a@b.example', 'a.b+c@localhost'], ['a', 'a@', '@b', 'a@b@c', 'a b@c']],
    [{ type: 'string', format: 'uri' }, ['https://x/', 'urn:a:b'], ['x', '//x', 'https://a b/', 'https:\\\\x']],
    [{ type: 'string', format: 'date' }, ['2024-02-29'], ['2023-02-29', '2024-2-9', '2024-02-30', 'x2024-02-29']],
    [
      { type: 'string', format: 'date-time' },
      ['2024-02-29T23:59:59Z', '2024-01-01t00:00:00.123+05:30'],
      ['2024-02-30T00:00:00Z', '2024-01-01T25:00:00Z', '2024-01-01 00:00:00Z', '2024-01-01T00:00:00'],
    ],
    [{ type: 'integer', minimum: 0, maximum: 9 }, [0, 9], [-1, 10, 1.5, '1', 1e300]],
    [{ type: 'number', minimum: 0.5 }, [0.5, 1e9], [0, true, '1']],
    [{ type: 'boolean' }, [true, false], [0, 'true', null]],
    [{ type: 'string', enum: ['a', 'b'], enumNames: ['A', 'B'] }, ['a', 'b'], ['A', 'c', '']],
    [{ type: 'string', oneOf: [{ const: 'a', title: 'A' }] }, ['a'], ['A', 'b']],
    [
      { type: 'array', items: { type: 'string', enum: ['a', 'b'] }, minItems: 1, maxItems: 2 },
      [['a'], ['b', 'a']],
      [[], ['c'], 'a', ['a', 'b', 'a'], [1]],
    ],
    [{ type: 'array', items: { anyOf: [{ const: 'a', title: 'A' }] } }, [[], ['a']], [['A'], [['a']]]],
  ];
  for (const [field, good, bad] of cases) {
    const accepts = acceptsOf(form(field));
    for (const value of good) assert.equal(accepts({ f: value }), undefined, JSON.stringify([field, value]));
    for (const value of bad) assert.notEqual(accepts({ f: value }), undefined, JSON.stringify([field, value]));
    assert.match(accepts({}) ?? '', /missing/);
    assert.match(accepts({ f: good[0] ?? null, g: 1 }) ?? '', /not asked for/);
    for (const other of [undefined, null, [], 'x']) assert.match(accepts(other) ?? '', /no object/);
  }
  assert.equal(acceptsOf(form({ type: 'boolean' }, []))({}), undefined);
  assert.match(acceptsOf(form({ type: 'boolean' }))(JSON.parse('{"__proto__":1,"f":true}')) ?? '', /not asked for/);
});

test('refuses schemas that are none of a form', () => {
  const bad: Json[] = [
    true,
    {},
    { type: 'object' },
    { type: 'array', properties: {} },
    form(true),
    form({}),
    form({ type: 'object', properties: {} }),
    form({ type: ['string', 'null'] }),
    form({ type: 'array' }),
    form({ type: 'array', items: { type: 'string' } }),
    form({ type: 'array', items: { type: 'object' } }),
    form({ type: 'string', enum: 'a' }),
    form({ type: 'string', enum: [1] }),
    form({ type: 'string', oneOf: [{ title: 'A' }] }),
    form({ type: 'string', minLength: '1' }),
    form({ type: 'string', format: 'password' }),
    form({ $ref: '#/x' }),
    form({ type: 'boolean' }, 'f' as never),
  ];
  for (const schema of bad) assert.throws(() => acceptsOf(schema), refused('upstream'), JSON.stringify(schema));
});

test('agrees with a JSON Schema validator', () => {
  const words = fc.constantFrom('a', 'b', 'ab', 'a\u00e9', '');
  const limits = fc.record({ minLength: fc.nat(3), maxLength: fc.nat(3) }, { requiredKeys: [] });
  const range = fc.record({ minimum: fc.integer({ min: -2, max: 2 }), maximum: fc.nat(3) }, { requiredKeys: [] });
  const field = fc.oneof(
    limits.map((more) => ({ type: 'string', ...more })),
    range.map((more) => ({ type: 'integer', ...more })),
    range.map((more) => ({ type: 'number', ...more })),
    fc.constant({ type: 'boolean' }),
    fc.array(words, { minLength: 1 }).map((list) => ({ type: 'string', enum: [...new Set(list)] })),
    fc.array(words, { minLength: 1 }).map((list) => ({
      type: 'array',
      items: { anyOf: [...new Set(list)].map((word) => ({ const: word, title: word })) },
      maxItems: 2,
    })),
  );
  const value = fc.oneof(
    words,
    fc.integer({ min: -3, max: 4 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.array(words),
    fc.constant(null),
  );
  fc.assert(
    fc.property(field, value, (schema, given) => {
      // An integer that two readers could round differently is none to us.
      fc.pre(typeof given !== 'number' || Number.isSafeInteger(given) || !Number.isInteger(given));
      const whole = form(schema as Json);
      const ours = acceptsOf(whole)({ f: given as Json }) === undefined;
      assert.equal(ours, Check(whole, { f: given }));
    }),
  );
});
