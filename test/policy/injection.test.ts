import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../src/contract/json.ts';
import { typedArguments } from '../../src/drivers/policy-engine/cedar/typed-arguments.ts';
import { typeOfArguments } from '../../src/drivers/policy-engine/host/argument-types.ts';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, load, server, tool } from './support.ts';

const db = server('db', [
  tool(
    'query',
    {
      owner: { type: 'string' },
      limit: { type: 'integer' },
      dry: { type: 'boolean' },
      tags: { type: 'array', items: { type: 'string' } },
      options: { type: 'object', properties: { mode: { type: 'string' }, host: { type: 'string' } } },
      ratio: { type: 'number' },
      any: {},
      either: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      map: { type: 'object', additionalProperties: { type: 'string' } },
      ref: { $ref: '#/$defs/name' },
      tree: { $ref: '#/$defs/tree' },
      far: { $ref: 'https://elsewhere.example/schema' },
      __entity: { type: 'object', properties: { type: { type: 'string' }, id: { type: 'string' } } },
    },
    [],
    {
      $defs: {
        name: { type: 'string' },
        tree: { type: 'object', properties: { left: { $ref: '#/$defs/tree' }, name: { type: 'string' } } },
      },
    },
  ),
]);
const scope = 'principal in Tenant::"acme", action == Action::"db/query", resource == Tenant::"acme"';
const asked = { action: 'db/query' };
const run = (condition: string, args: Json) =>
  decide(engineOf(`permit (${scope}) when { ${condition} };`, [db]), args, asked);

test('raw arguments cannot become entities or extension values', () => {
  verifies('authz.question');
  const root = { __entity: { type: 'User', id: 'root' } };
  const address = { __extn: { fn: 'ip', arg: '10.0.0.1' } };
  for (const value of [root, address, { __expr: 'principal' }, [root], { mode: root }, { mode: 'x', ...root }]) {
    for (const name of ['owner', 'limit', 'dry', 'tags', 'options', 'any', 'map', 'ref']) {
      const args: Json = { [name]: value };
      const typed = typedArguments(
        args as { [key: string]: Json },
        typeOfArguments(JSON.parse(db.tools[0]?.raw ?? '').inputSchema).type,
        undefined,
      );
      assert.doesNotMatch(JSON.stringify(typed.record), /__e/, JSON.stringify(args));
    }
  }
  // A permit that would hold if the argument became an entity.
  assert.equal(run('context.args has owner && context.args has options', { owner: root, options: {} }).allow, false);
  assert.equal(
    run('context.args has options && !(context.args.options has mode)', {
      options: { __entity: { type: 'User', id: 'x' } },
    }).allow,
    false,
  );
  assert.equal(run('true', { ...root }).allow, true);
});

test('nothing but declared, plain values reaches Cedar (random arguments)', () => {
  verifies('authz.question');
  const { type } = typeOfArguments(JSON.parse(db.tools[0]?.raw ?? '').inputSchema);
  const name = fc.constantFrom(
    'owner',
    'limit',
    'tags',
    'options',
    'mode',
    'any',
    'map',
    '__entity',
    '__extn',
    '__expr',
    '__proto__',
    'fn',
    'arg',
    'type',
    'id',
  );
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<Json>('User', 'root', 1, 1.5, 2 ** 53, null, true, '\ud800'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(fc.tuple(name, tie('value')), { maxLength: 4 })
        .map((pairs) => JSON.parse(`{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join()}}`)),
    ),
  }));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 5 }), (pairs) => {
      const args = JSON.parse(`{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join()}}`);
      const { record } = typedArguments(args, type, undefined);
      assert.doesNotMatch(JSON.stringify(record), /"__|null|\d\.\d/);
    }),
    { numRuns: 1000 },
  );
});

test('an argument that a policy reads and Cedar cannot type denies, also where a forbid asks for it by `has`', () => {
  verifies('authz.default-deny');
  const text = `permit (${scope}); forbid (principal, action, resource) when { context.args has limit && context.args.limit > 10 };`;
  const engine = engineOf(text, [db]);
  assert.equal(decide(engine, { limit: 10 }, asked).allow, true);
  assert.equal(decide(engine, { limit: 11 }, asked).allow, false);
  for (const limit of [2 ** 60, 1e300, 10.5, '11', null, [11], { __extn: { fn: 'decimal', arg: '1.0' } }]) {
    const verdict = decide(engine, { limit }, asked);
    assert.deepEqual(
      [verdict.allow, verdict.detail],
      [false, 'a policy reads the argument limit, which Cedar cannot type'],
    );
  }
  assert.equal(decide(engine, { ratio: 0.5, either: null, any: [1] }, asked).allow, true);
});

test('says which arguments policies cannot see, and why', () => {
  verifies('authz.question');
  const rows = load('', [db]).untyped.map(({ argument, why }) => `${argument}: ${why}`);
  assert.deepEqual(rows, [
    'ratio: a number with fractions',
    'any: no single type',
    'either: a union',
    'map: an open map',
    'tree.left: recursive',
    'far: a reference that is not local',
    '__entity: its name is reserved',
  ]);
});

test('a schema whose references multiply stays small', () => {
  verifies('authz.question');
  const $defs: Record<string, Json> = { d0: { type: 'string' } };
  for (let n = 1; n <= 12; n++) {
    const below = { $ref: `#/$defs/d${n - 1}` };
    $defs[`d${n}`] = { type: 'object', properties: { a: below, b: below, c: below } };
  }
  const bomb = server('bomb', [tool('go', { root: { $ref: '#/$defs/d12' } }, [], { $defs })]);
  assert.ok(load('', [bomb]).untyped.some(({ why }) => why === 'the schema is too deep or too large'));
});

test('an error of a policy or of the engine denies, also when another policy permits', () => {
  verifies('authz.default-deny');
  const text = `permit (${scope});
    permit (${scope}) when { context.args has limit && context.args.limit * 9007199254740991 > 5 };`;
  const engine = engineOf(text, [db]);
  assert.equal(decide(engine, { limit: 1 }, asked).allow, true);
  const failed = decide(engine, { limit: 9007199254740991 }, asked);
  assert.equal(failed.allow, false);
  assert.deepEqual(failed.policies, ['test.cedar:2']);
  assert.match(failed.detail, /a policy failed: test\.cedar:2: .*overflow/);
  assert.match(decide(engine, { limit: 1 }, { ...asked, id: '\ud800' }).detail, /^policy engine: /);
  for (const bad of [{ hour: 24 }, { hour: Number.NaN }, { mfaAge: 1.5 }, { mfaAge: Number.NaN }, { mfaAge: -1 }])
    assert.equal(decide(engine, { limit: 1 }, { ...asked, ...bad }).allow, false);
});
