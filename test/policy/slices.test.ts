import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { isObject } from '../../src/contract/json.ts';
import type { Question } from '../../src/contract/policy-engine.ts';
import { cedarEngine } from '../../src/drivers/policy-engine/cedar/engine.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { contextOf } from '../../src/drivers/policy-engine/cedar/schema.ts';
import { parseSources } from '../../src/drivers/policy-engine/cedar/sources.ts';
import { actionsOfPins } from '../../src/drivers/policy-engine/host/actions.ts';
import { verifies } from '../support/verifies.ts';
import { args, asked, condition, shop, wholeContext } from './random.ts';
import { question, server, tool } from './support.ts';

/** A second server, whose tool is in a group and about a project that its arguments name. */
const depot = {
  pins: server('depot', [tool('find', { owner: { type: 'string' } }, ['owner'], {}, true)]),
  resource: { project: '{owner}' },
};
const world = { servers: [{ pins: shop }, depot], facts: { ip_risk: true, device: true } };
const actions = actionsOfPins(world);
const facts = Object.keys(contextOf(world, []));

/** Scopes that the linter would refuse are wanted too: a slice must be right whatever it is made of. */
const who = fc.constantFrom(
  'principal',
  'principal == User::"alice"',
  'principal == Workload::"alice"',
  'principal == Group::"staff"',
  'principal in User::"bob"',
  'principal in Tenant::"acme"',
  'principal in Tenant::"evil"',
  'principal in Group::"staff"',
  'principal in Group::"all"',
  'principal in Group::"void"',
  'principal is User',
  'principal is Workload in Group::"all"',
  'principal is User in Tenant::"acme"',
  'principal is Group',
);
const what = fc.constantFrom(
  'action',
  'action == Action::"shop/look"',
  'action in Action::"shop/buy"',
  'action in [Action::"shop/look", Action::"shop/buy"]',
  'action == Action::"shop#resources/list"',
  'action in [Action::"depot#read-only", Action::"shop/look"]',
  'action == Action::"depot#read-only"',
);
const where = fc.constantFrom(
  'resource',
  'resource == Tenant::"acme"',
  'resource in Tenant::"acme"',
  'resource is Tenant',
  'resource is Tenant in Tenant::"evil"',
  'resource is Group',
  'resource == Project::"acme/ann"',
  'resource in Project::"acme/ann"',
  'resource is Project in Tenant::"acme"',
);
const policy = fc
  .tuple(fc.constantFrom('permit', 'permit', 'forbid'), who, what, where, fc.constantFrom('when', 'unless'), condition)
  .map(([effect, a, b, c, kind, body]) => `${effect} (${a}, ${b}, ${c}) ${kind} { ${body} };`);
/** Sometimes the other server is asked. */
const owner = fc.constantFrom(undefined, undefined, undefined, 'ann', 'ben');
const sets = fc.array(policy, { minLength: 1, maxLength: 12 }).map((list) => list.join('\n'));

const TUPLES = `
// everyone of ops is of staff, and those are of all; alice is of ops without her token saying so
Group:staff#member@Group:ops#member
Group:all#member@Group:staff#member
Group:ops#member@User:alice
Group:ops#member@Group:all#member
`;
const { relations, problems } = readRelations([{ file: 't.tuples', text: TUPLES }]);
assert.deepEqual(problems, []);

/** As the tuples stand, each with its own parents: nothing is flattened, filtered or left away. */
const group = (id: string, parents: readonly string[]) => ({
  uid: { type: 'Group', id },
  attrs: {},
  parents: parents.map((parent) => ({ type: 'Group', id: parent })),
});

function oracle(set: string, { subject, action, tenant, resource, context, arguments: given }: Question) {
  const project = resource?.project;
  const parents = [{ type: 'Tenant', id: subject.tenant }, ...subject.groups.map((id) => ({ type: 'Group', id }))];
  if (subject.kind === 'User' && subject.id === 'alice') parents.push({ type: 'Group', id: 'ops' });
  const answer = statefulIsAuthorized({
    principal: { type: subject.kind, id: subject.id },
    action: { type: 'Action', id: action },
    resource: project ? { type: 'Project', id: `${tenant}/${project}` } : { type: 'Tenant', id: tenant },
    context: {
      args: (isObject(given) ? given : {}) as never,
      ...Object(wholeContext(context)),
    },
    preparsedPolicySetId: set,
    entities: [
      {
        uid: { type: subject.kind, id: subject.id },
        attrs: { tenant: subject.tenant, groups: [...subject.groups], ...(subject.acr && { acr: subject.acr }) },
        parents,
      },
      // Cedar refuses circles, and this one changes nothing of who is in what that the questions can tell.
      {
        uid: { type: 'Action', id: action },
        attrs: {},
        parents: action === 'depot/find' ? [{ type: 'Action', id: 'depot#read-only' }] : [],
      },
      ...(project
        ? [
            {
              uid: { type: 'Project', id: `${tenant}/${project}` },
              attrs: {},
              parents: [{ type: 'Tenant', id: tenant }],
            },
          ]
        : []),
      ...[group('ops', ['staff']), group('staff', ['all']), group('all', [])],
    ],
  });
  assert.equal(answer.type, 'success');
  if (answer.type !== 'success') throw new Error('not asked');
  return answer.response;
}

test('slices, projected questions and cached verdicts answer 20,000 questions as all policies at once do', () => {
  verifies('authz.engine', 'authz.default-deny');
  const seen = { questions: 0, allowed: 0, failed: 0, forbidden: 0 };
  fc.assert(
    fc.property(sets, fc.array(fc.tuple(asked, args, owner), { minLength: 50, maxLength: 70 }), (text, asks) => {
      const { policies, problems } = parseSources([{ file: 's.cedar', text }]);
      assert.deepEqual(problems, []);
      const loaded = { policies, actions, facts, relations };
      const [cached, uncached] = [4096, 0].map((entries) => cedarEngine(loaded, { entries, key: 4096 }));
      preparsePolicySet('plain', { staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])) });
      for (const [drawn, given, owned] of asks) {
        const facts = owned ? { ...drawn, action: 'depot/find', resource: { project: owned } } : drawn;
        // What our own rules decide before Cedar is asked is tested elsewhere.
        const declared = actions.get(facts.action)?.args.attributes;
        const plain = Object.fromEntries(
          Object.entries({ ...given, ...(owned && { owner: owned }) }).filter(
            ([name, value]) => value !== 1.5 && declared?.has(name),
          ),
        );
        const question = { ...facts, arguments: plain };
        const verdict = uncached?.decide(question);
        assert.deepEqual(cached?.decide(question), verdict);
        assert.deepEqual(cached?.decide(question), verdict);
        if (verdict?.notCanonical !== undefined) continue;
        const { decision, diagnostics } = oracle('plain', question);
        seen.questions++;
        if (diagnostics.errors.length > 0) seen.failed++;
        if (decision === 'deny' && diagnostics.reason.length > 0) seen.forbidden++;
        assert.equal(verdict?.allow, decision === 'allow' && diagnostics.errors.length === 0, text);
        if (verdict?.allow) seen.allowed++;
        // A cause is told as Cedar tells it, unless there was nothing to ask it.
        if (
          diagnostics.errors.length === 0 &&
          policies.some(({ json }) => json.effect === 'permit') &&
          verdict?.policies.length
        )
          assert.deepEqual(verdict.policies, diagnostics.reason.toSorted(), text);
      }
    }),
    { numRuns: 420, endOnFailure: true },
  );
  assert.ok(seen.questions >= 20_000, JSON.stringify(seen));
  for (const count of [seen.allowed, seen.failed, seen.forbidden]) assert.ok(count > 500, JSON.stringify(seen));
});

test('a tuple that cannot be read, or puts somebody into a tenant, is named with its line, and nothing is permitted', () => {
  verifies('authz.engine');
  for (const [row, message] of [
    ['Tenant:evil#member@User:alice', /no tuple/],
    ['Group:a#owner@User:alice', /no tuple/],
    ['Group:a#member@Group:b', /members/],
    ['Group:a#member@User:alice#member', /members/],
    ['Group:a#member@Group:a#member', /in itself/],
    ['Group:"a\\x"#member@User:alice', /JSON/],
    ['Group:a#member@User:alice extra', /no tuple/],
  ] as const) {
    const found = readRelations([{ file: 'x.tuples', text: `// first\n${row}\n` }]).problems;
    assert.deepEqual([found.length, found[0]?.line, found[0]?.severity], [1, 2, 'error'], row);
    assert.match(found[0]?.message ?? '', message, row);
  }
  const quoted = readRelations([{ file: 'x.tuples', text: 'Group:a#member@User:"https://idp.example#al@x"' }]);
  assert.deepEqual([...quoted.relations.ancestors('User\nhttps://idp.example#al@x', [])], ['Group\na']);
});

test('whoever is in more groups than are looked at is denied, not judged by some of them', () => {
  verifies('authz.default-deny');
  const text = Array.from({ length: 1100 }, (_, n) => `Group:g${n}#member@User:alice`).join('\n');
  const { policies } = parseSources([
    {
      file: 's.cedar',
      text: 'permit (principal in Group::"g1", action == Action::"shop/look", resource == Tenant::"acme");',
    },
  ]);
  const crowded = { policies, actions, facts, relations: readRelations([{ file: 'x.tuples', text }]).relations };
  const few = {
    policies,
    actions,
    facts,
    relations: readRelations([{ file: 'x.tuples', text: text.slice(0, 300) }]).relations,
  };
  const asked = question({ item: 'a' }, { action: 'shop/look' });
  const verdict = cedarEngine(crowded, { entries: 9, key: 4096 }).decide(asked);
  assert.equal(verdict.allow, false);
  assert.match(verdict.detail, /more than 1024 groups/);
  assert.equal(cedarEngine(few, { entries: 9, key: 4096 }).decide(asked).allow, true);
});
