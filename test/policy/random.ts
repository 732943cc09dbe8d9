import fc from 'fast-check';
import type { Question, RequestFacts } from '../../src/contract/policy-engine.ts';
import { actionsOfPins } from '../../src/drivers/policy-engine/host/actions.ts';
import { question, server, tool, worldWith } from './support.ts';

/** Two tools that share an argument, so that policies and questions can be drawn at random. */
export const shop = server('shop', [
  tool('look', { item: { type: 'string' }, count: { type: 'integer' }, deep: { type: 'boolean' } }, ['item']),
  tool(
    'buy',
    { item: { type: 'string' }, count: { type: 'integer' }, sizes: { type: 'array', items: { type: 'integer' } } },
    ['item'],
  ),
]);

const comparison = fc.constantFrom(
  'context.args.item == "a"',
  'context.args.item != "b"',
  'context.args.item like "/d/*"',
  'context.args has count',
  '(context.args has count && context.args.count > 2)',
  '(context.args has count && context.args.count * 9007199254740991 > 2)',
  '["a", "c"].contains(context.args.item)',
  'context.hour < 6',
  '(context has mfa_age_s && context.mfa_age_s < 100)',
  'principal in Group::"staff"',
  'principal.groups.contains("ops")',
  '(principal has acr && principal.acr == "phr")',
  'action == Action::"shop/buy"',
  'context.hour * 9007199254740991 * 9007199254740991 > 0',
  'resource == Tenant::"acme"',
  'context.weekday == 7',
  'context.ip_risk > 50',
  '(context has device && context.device == "ok")',
  'context.tool.writes.contains("external")',
  'context.tool.step_up',
  'context.session.reads.containsAll(["private", "untrusted"])',
  'context.session.calls["shop/buy"] > 1',
  '(context has session && context.session.approved.contains("shop/look"))',
  'true',
  'false',
);

export const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: 'large' },
    comparison,
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} || ${b})`),
    tie('condition').map((a) => `!(${a})`),
    fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
  ),
}));

const look = 'action == Action::"shop/look"';
const both = 'action in [Action::"shop/look", Action::"shop/buy"]';
const permit = fc
  .tuple(
    fc.constantFrom('principal in Tenant::"acme"', 'principal == User::"alice"', 'principal in Group::"staff"'),
    fc.constantFrom(look, both),
    fc.constantFrom('acme', 'acme', 'evil'),
    fc.constantFrom('when', 'unless'),
    condition,
  )
  .map(
    ([who, what, tenant, kind, body]) =>
      `permit (${who}, ${what}, resource == Tenant::"${tenant}") ${kind} { ${body} };`,
  );
const forbid = fc
  .tuple(fc.constantFrom('action', look, both), fc.constantFrom('resource', 'resource == Tenant::"acme"'), condition)
  .map(([what, resource, body]) => `forbid (principal, ${what}, ${resource}) when { ${body} };`);
const policy = fc.oneof({ weight: 4, arbitrary: permit }, { weight: 1, arbitrary: forbid });

export const policies = fc.array(policy, { minLength: 1, maxLength: 4 }).map((list) => list.join('\n'));

export const args = fc.record(
  {
    item: fc.constantFrom('a', 'b', '/d/x', '/d/../x', ''),
    count: fc.constantFrom(0, 3, 1.5, 2 ** 53 - 1),
    sizes: fc.constantFrom([1], []),
  },
  { requiredKeys: ['item'] },
);

export const asked = fc
  .record({
    id: fc.constantFrom('alice', 'bob'),
    kind: fc.constantFrom('User' as const, 'Workload' as const),
    tenant: fc.constantFrom('acme', 'acme', 'acme', 'evil', 'none'),
    groups: fc.subarray(['staff', 'ops']),
    acr: fc.constantFrom(undefined, 'phr'),
    hour: fc.constantFrom(0, 7),
    mfaAge: fc.constantFrom(undefined, 0, 200),
    ipRisk: fc.constantFrom(0, 80),
    device: fc.constantFrom(undefined, 'ok', 'lost'),
    tool: fc.record({ writes: fc.subarray(['external']), step_up: fc.boolean() }),
    session: fc.record({
      reads: fc.subarray(['private', 'untrusted']),
      calls: fc.constantFrom({}, { 'shop/buy': 2 }),
      approved: fc.subarray(['shop/look']),
    }),
    action: fc.constantFrom('shop/look', 'shop/buy', 'shop#resources/list'),
  })
  .map(
    ({ acr, mfaAge, device, ...rest }): Question =>
      question(undefined, {
        ...rest,
        ...(acr && { acr }),
        ...(device && { device }),
        ...(mfaAge !== undefined && { mfaAge }),
      }),
  );

/** All facts of a request as Cedar would be told them if nothing were left away. */
export function wholeContext({ mfa_age_s, device, session, ...facts }: RequestFacts) {
  const none = Object.fromEntries([...actionsOfPins(worldWith([shop])).keys()].map((name) => [name, 0]));
  return {
    ...facts,
    session: { ...session, calls: { ...none, ...session.calls } },
    ...(mfa_age_s !== undefined && { mfa_age_s }),
    ...(device !== undefined && { device }),
  } as never;
}
