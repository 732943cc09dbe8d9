import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { loadCedarAside } from '../../src/drivers/policy-engine/cedar/load-aside.ts';
import { verifies } from '../support/verifies.ts';
import { shop } from './random.ts';
import { question } from './support.ts';

const world = { servers: [{ pins: shop }], facts: { ip_risk: false, device: false } };
/** More than is read at once. */
const many = (last: string) => [
  {
    file: 'many.cedar',
    text: `${Array.from(
      { length: 200 },
      (_, n) =>
        `permit (principal in Group::"g${n}", action == Action::"shop/look", resource == Tenant::"acme") when { context.args.item == "${n}" };`,
    ).join('\n')}\n${last}`,
  },
  {
    file: 'many.tuples',
    text: Array.from({ length: 5000 }, (_, n) => `Group:g${n % 200}#member@User:u${n}`).join('\n'),
  },
];
const asked = (user: string, item: string) => {
  const { subject, ...rest } = question({ item }, { action: 'shop/look' });
  return { ...rest, subject: { ...subject, id: user } };
};

test('many policies are read while other things go on, and judge as those that were read at once', async () => {
  verifies('authz.engine');
  let [turns, isLoading] = [0, true];
  const turn = (): void => {
    turns++;
    if (isLoading) setImmediate(turn);
  };
  setImmediate(turn);
  const aside = await loadCedarAside(many(''), world);
  isLoading = false;
  const atOnce = loadCedar(many(''), world);
  assert.ok(turns > 10, `${turns} turns of the event loop`);
  assert.deepEqual([aside.policies, aside.problems], [atOnce.policies, atOnce.problems]);
  for (const [user, item] of [
    ['u7', '7'],
    ['u7', '8'],
    ['u207', '7'],
    ['u9999', '7'],
  ] as const) {
    const verdict = await aside.engine.decide(asked(user, item));
    assert.deepEqual(verdict, await atOnce.engine.decide(asked(user, item)));
    assert.equal(verdict.allow, user !== 'u9999' && item === '7', `${user} ${item} ${verdict.detail}`);
  }
});

test('what was read aside and cannot be used is named with file and line, and permits nothing', async () => {
  verifies('authz.default-deny', 'authz.no-wildcards');
  const broken = many(
    'permit (principal, action, resource);\npermit (principal in Group::"g1", action == Action::"shop/lok", resource == Tenant::"acme");',
  );
  const { problems, engine } = await loadCedarAside(broken, world);
  assert.deepEqual(problems, loadCedar(broken, world).problems);
  const errors = problems.filter(({ severity }) => severity === 'error');
  assert.deepEqual(
    [...new Set(errors.map(({ file, line }) => `${file}:${line}`))],
    ['many.cedar:201', 'many.cedar:202'],
  );
  assert.equal((await engine.decide(asked('u7', '7'))).allow, false);
});

test('a bundle of the same policies for the same tools is not read again; one with another tool, or policy, is', async () => {
  const first = await loadCedarAside(many(''), world);
  assert.equal(await loadCedarAside(structuredClone(many('')), structuredClone(world)), first);
  const others = { ...world, servers: [{ pins: { ...shop, tools: shop.tools.slice(1) } }] };
  assert.notEqual(await loadCedarAside(many(''), others), first);
  const more = await loadCedarAside(many('forbid (principal, action, resource == Tenant::"acme");'), world);
  assert.equal((await more.engine.decide(asked('u7', '7'))).allow, false);
  assert.equal((await first.engine.decide(asked('u7', '7'))).allow, true);
});
