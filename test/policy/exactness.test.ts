import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAuthorized, isAuthorizedPartial } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { isObject } from '../../src/contract/json.ts';
import type { Question } from '../../src/contract/policy-engine.ts';
import { cedarEngine } from '../../src/drivers/policy-engine/cedar/engine.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { contextOf } from '../../src/drivers/policy-engine/cedar/schema.ts';
import { parseSources } from '../../src/drivers/policy-engine/cedar/sources.ts';
import { actionsOfPins } from '../../src/drivers/policy-engine/host/actions.ts';
import { verifies } from '../support/verifies.ts';
import { args, asked, policies, shop, wholeContext } from './random.ts';
import { decide, engineOf, PUBLIC_FILES, question, worldWith } from './support.ts';

const FACTS = Object.keys(contextOf(worldWith([shop]), []));
const actions = actionsOfPins(worldWith([shop]));

/** Without the linter: its judgement is not what is tested here, and policies that fail are wanted. */
function engines(text: string, entries: number) {
  const { policies, problems } = parseSources([{ file: 'r.cedar', text }]);
  assert.deepEqual(problems, []);
  return cedarEngine(
    { policies, actions, facts: FACTS, relations: readRelations([]).relations },
    { entries, key: 4096 },
  );
}

/** The question as Cedar itself answers it: all policies, all arguments, nothing kept. */
function oracle(text: string, { subject, action, tenant, context, arguments: given }: Question): boolean {
  const plain = Object.entries(isObject(given) ? given : {}).filter(([, value]) => value !== 1.5);
  const answer = isAuthorized({
    principal: { type: subject.kind, id: subject.id },
    action: { type: 'Action', id: action },
    resource: { type: 'Tenant', id: tenant },
    context: {
      args: Object.fromEntries(plain) as never,
      ...Object(wholeContext(context)),
    },
    policies: { staticPolicies: text },
    entities: [
      {
        uid: { type: subject.kind, id: subject.id },
        attrs: { tenant: subject.tenant, groups: [...subject.groups], ...(subject.acr && { acr: subject.acr }) },
        parents: [{ type: 'Tenant', id: subject.tenant }, ...subject.groups.map((id) => ({ type: 'Group', id }))],
      },
    ],
  });
  return (
    answer.type === 'success' && answer.response.decision === 'allow' && answer.response.diagnostics.errors.length === 0
  );
}

test('sliced, projected and cached verdicts are those of the engine that does none of it', () => {
  verifies('authz.engine');
  let allowed = 0;
  fc.assert(
    fc.property(policies, fc.array(fc.tuple(asked, args), { minLength: 4, maxLength: 12 }), (text, asks) => {
      const cached = engines(text, 8);
      const uncached = engines(text, 0);
      for (const [facts, given] of [...asks, ...asks]) {
        const question = { ...facts, arguments: given };
        const verdict = cached.decide(question);
        assert.deepEqual(verdict, uncached.decide(question));
        // Cedar alone knows neither canonical paths nor numbers that it cannot type.
        if (verdict.allow) assert.ok(oracle(text, question), text);
        else if (
          verdict.notCanonical === undefined &&
          given.count !== 1.5 &&
          actions.get(facts.action)?.args.attributes.has('count') &&
          !('sizes' in given)
        )
          assert.equal(oracle(text, question), false, text);
        if (verdict.allow) allowed++;
      }
    }),
    { numRuns: 250 },
  );
  assert.ok(allowed > 100, `${allowed} allowed`);
});

/** Whether Cedar's own partial evaluation leaves a way to be allowed, with all open that lists do not know. */
function canBeAllowed(text: string, { subject, action, tenant, context }: Omit<Question, 'arguments'>): boolean {
  const open = (name: string) => ({ __extn: { fn: 'unknown', arg: name } });
  const answer = isAuthorizedPartial({
    principal: { type: subject.kind, id: subject.id },
    action: { type: 'Action', id: action },
    resource: { type: 'Tenant', id: tenant },
    context: {
      ...Object(wholeContext(context)),
      ...{ args: open('args'), ip_risk: open('ip_risk'), session: open('session') },
    },
    policies: { staticPolicies: text },
    entities: [
      {
        uid: { type: subject.kind, id: subject.id },
        attrs: { tenant: subject.tenant, groups: [...subject.groups], ...(subject.acr && { acr: subject.acr }) },
        parents: [{ type: 'Tenant', id: subject.tenant }, ...subject.groups.map((id) => ({ type: 'Group', id }))],
      },
    ],
  });
  assert.equal(answer.type, 'residuals', JSON.stringify(answer));
  return answer.type === 'residuals' && answer.response.decision !== 'deny';
}

test('what is not listed is denied for every argument, what is listed has a residual that can hold (random policies)', () => {
  verifies('authz.default-deny');
  let hidden = 0;
  let listed = 0;
  fc.assert(
    fc.property(
      policies,
      fc.array(asked, { minLength: 3, maxLength: 6 }),
      fc.array(args, { minLength: 8, maxLength: 12 }),
      (text, subjects, tries) => {
        const engine = engines(text, 100);
        for (const facts of subjects) {
          const visible = engine.visible(facts);
          if (visible) listed++;
          else hidden++;
          if (visible) assert.ok(canBeAllowed(text, facts), text);
          else
            for (const given of tries) assert.equal(engine.decide({ ...facts, arguments: given }).allow, false, text);
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(hidden > 100 && listed > 100, `${hidden} hidden, ${listed} listed`);
});

test('lists exactly what some argument could open, by principal, group, tenant, action and time', () => {
  verifies('authz.default-deny', 'authz.question');
  const engine = engineOf(`${PUBLIC_FILES}
    permit (principal in Group::"staff", action == Action::"files/write_file", resource == Tenant::"acme") when { context.hour >= 8 && context.args.path like "/data/*" };
    forbid (principal == User::"mallory", action, resource);
    forbid (principal, action, resource) when { principal has acr && principal.acr == "low" && context.args has path };`);
  const sees = (asked: Parameters<typeof question>[1]) => engine.visible(question(undefined, asked));
  assert.equal(sees({}), true);
  assert.equal(sees({ action: 'files/list_directory' }), true);
  assert.equal(sees({ action: 'files/write_file' }), false);
  assert.equal(sees({ action: 'files/write_file', groups: ['staff'] }), true);
  assert.equal(sees({ action: 'files/write_file', groups: ['staff'], hour: 7 }), false);
  assert.equal(sees({ action: 'files/read_multiple_files' }), false);
  assert.equal(sees({ action: 'files#resources/read' }), false);
  assert.equal(sees({ action: 'files/none' }), false);
  assert.equal(sees({ tenant: 'evil' }), false);
  assert.equal(sees({ id: 'mallory' }), false);
  assert.equal(sees({ acr: 'low' }), true);
});

test('a forbid that holds whatever the arguments hides the action', () => {
  verifies('authz.default-deny');
  const engine = engineOf(`${PUBLIC_FILES}
    forbid (principal, action == Action::"files/read_text_file", resource) when { context.hour < 6 || context.args.path like "/x/*" };`);
  assert.equal(engine.visible(question(undefined, { hour: 5 })), false);
  assert.equal(engine.visible(question(undefined, { hour: 6 })), true);
});

test('answers of one engine are never those of another that lives beside it', () => {
  verifies('authz.engine');
  const all = Array.from({ length: 20 }, (_, n) => engineOf(PUBLIC_FILES.replace('/data/public', `/data/${n}`)));
  for (const [n, engine] of all.entries())
    for (const m of [0, n, 19]) assert.equal(decide(engine, { path: `/data/${m}/a` }).allow, m === n);
});

test('subjects whose facts look alike when they are written down are told apart', () => {
  verifies('authz.question');
  const scope = 'action == Action::"files/list_directory", resource == Tenant::"acme"';
  const engine = engineOf(`permit (principal in Group::"a", ${scope});`);
  const ask = (groups: string[], acr?: string) =>
    decide(engine, { path: '/x' }, { action: 'files/list_directory', groups, ...(acr && { acr }) }).allow;
  assert.deepEqual(
    [ask(['a', 'b']), ask(['a","b']), ask(['a,b']), ask([], 'a'), ask(['a'])],
    [true, false, false, false, true],
  );
});
