import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayServer } from '../../src/contract/bundle.ts';
import type { JsonObject } from '../../src/contract/json.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Confirmations } from '../../src/control-plane/issuer/step-up/confirmations.ts';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { authorizeStage } from '../../src/gateway/authorization/authorize.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { verifies } from '../support/verifies.ts';
import { historyUse, nobody, validated } from './calls.ts';
import { decide, engineOf, question, server, tool } from './support.ts';

const bank: GatewayServer = {
  pins: server('bank', [tool('pay', { to: { type: 'string' }, sum: { type: 'integer' } }), tool('close', {})]),
  tools: {},
  deadline: 1,
  maxResult: 1,
};
const ALL =
  'permit (principal in Tenant::"acme", action in [Action::"bank/pay", Action::"bank/close"], resource == Tenant::"acme");';
const asks = (who: string) => `${ALL}\n@ask("${who}") forbid (principal, action == Action::"bank/pay", resource);`;

function house(text: string) {
  const time = { now: 0 };
  const { engine, problems } = loadCedar([{ file: 'a.cedar', text }], {
    servers: [bank],
    facts: { ip_risk: false, device: false },
  });
  assert.deepEqual(problems, []);
  const now = () => time.now;
  const zone0 = new Confirmations('https://x', now);
  /** What happens while a call waits. */
  const meanwhile: (() => void)[] = [];
  const clock = {
    now,
    setTimer: (run: () => void, ms: number) => {
      time.now += ms;
      meanwhile.shift()?.();
      queueMicrotask(run);
      return () => undefined;
    },
  };
  const authorize = authorizeStage({
    ...{ engine, servers: [bank], now, ipRisk: () => undefined, histories: new Histories(now), historyUse, clock },
    confirm: async (call) => zone0.ask(call),
  });
  const pay = async (args: JsonObject, client: object = {}, name = 'pay') => {
    try {
      const { verdict } = await authorize(validated('alice', 'bank', name, args), { ...nobody, ...client });
      return verdict.approval ?? 'allowed';
    } catch (error) {
      assert.ok(error instanceof Refusal, String(error));
      return error.code;
    }
  };
  return { pay, zone0, meanwhile, time };
}

/** A client whose person answers so. */
function client(answer: JsonObject, seen: string[] = []) {
  return {
    capabilities: { elicitation: {} },
    ask: async ({ params }: { readonly params: string }) => {
      seen.push(params);
      return { kind: 'result', raw: JSON.stringify(answer) } as const;
    },
  };
}

test('a call waits until an operator decides, is made once with an approval, and with exactly these arguments', async () => {
  verifies('authz.question');
  const { pay, zone0, meanwhile } = house(asks('operator'));
  const approve = () => {
    const [waiting] = zone0.all();
    assert.equal(waiting?.call.arguments, '{"sum":5,"to":"bob"}');
    if (waiting) zone0.confirm(waiting);
  };
  meanwhile.push(() => undefined, approve);
  assert.match(await pay({ to: 'bob', sum: 5 }), /^operator:[\w-]{22}$/);
  meanwhile.push(() => zone0.all().map((one) => zone0.deny(one)));
  assert.equal(await pay({ to: 'bob', sum: 5 }), 'approval-call');
  assert.equal(await pay({ to: 'bob', sum: 5 }), 'approval-call');
  // Approved while another call with other arguments waits: that one gets nothing of it.
  meanwhile.push(() => zone0.all().map((one) => zone0.confirm(one)));
  assert.match(await pay({ to: 'bob', sum: 6 }), /^operator:/);
  assert.equal(await pay({ to: 'eve', sum: 6 }), 'approval-call');
  assert.equal(await pay({}, {}, 'close'), 'allowed');
});

test('waits two minutes and no longer; an approval that comes then is good for the same call, once', async () => {
  verifies('authz.question');
  const { pay, zone0, time } = house(asks('operator'));
  assert.equal(await pay({ sum: 1 }), 'approval-call');
  assert.equal(time.now, 120_000);
  for (const one of zone0.all()) zone0.confirm(one);
  assert.match(await pay({ sum: 1 }), /^operator:/);
  assert.equal(await pay({ sum: 1 }), 'approval-call');
});

test('whoever goes away waits for nothing', async () => {
  verifies('authz.question');
  const { pay, time } = house(asks('operator'));
  assert.equal(await pay({ sum: 1 }, { signal: AbortSignal.abort() }), 'approval-call');
  assert.equal(time.now, 0);
});

test('the caller is asked through its client, with all of the call; nothing but a yes is one', async () => {
  verifies('authz.question');
  const { pay } = house(asks('caller'));
  const seen: string[] = [];
  assert.equal(await pay({ sum: 5 }, client({ action: 'accept', content: { approve: true } }, seen)), 'caller');
  assert.match(JSON.parse(seen[0] ?? '').message, /pay of bank with \{"sum":5\}/);
  for (const answer of [
    { action: 'accept', content: { approve: false } },
    { action: 'accept', content: { approve: 'true' } },
    { action: 'accept' },
    { action: 'decline', content: { approve: true } },
    { action: 'cancel' },
  ])
    assert.equal(await pay({ sum: 5 }, client(answer)), 'approval-call', JSON.stringify(answer));
});

test('whose client cannot ask, or not show all of it, has to ask an operator; and no client stands for one', async () => {
  verifies('authz.question');
  const yes = client({ action: 'accept', content: { approve: true } });
  const one = house(asks('caller'));
  one.meanwhile.push(() => one.zone0.all().map((waiting) => one.zone0.confirm(waiting)));
  assert.match(await one.pay({ sum: 1 }), /^operator:/);
  assert.equal(await one.pay({ to: 'x'.repeat(3000) }, yes), 'approval-call');
  const two = house(`${asks('operator')}\n@ask("caller") forbid (principal, action == Action::"bank/pay", resource);`);
  assert.equal(await two.pay({ sum: 1 }, yes), 'approval-call');
});

test('an approval lifts nothing but what may be lifted, as it stands when the person has decided', async () => {
  verifies('authz.default-deny');
  const twice = `${asks('operator')}\nforbid (principal, action, resource) when { context.session.calls["bank/close"] > 0 };`;
  const { pay, zone0, meanwhile } = house(twice);
  // What was permitted when the call began is denied when its approval comes: a call that raced it has closed the account.
  meanwhile.push(
    () => void pay({}, {}, 'close'),
    () => zone0.all().map((one) => zone0.confirm(one)),
  );
  assert.equal(await pay({ sum: 1 }), 'policy');
  const none = engineOf('@ask("operator") forbid (principal, action, resource);');
  assert.equal(decide(none, { path: '/x' }).ask, undefined);
  const both =
    engineOf(`permit (principal in Tenant::"acme", action == Action::"files/list_directory", resource == Tenant::"acme");
    @ask("caller") forbid (principal, action, resource) when { context.hour > 3 };
    forbid (principal, action, resource) when { context.hour > 20 };
    @ask("caller") forbid (principal, action, resource) when { context.hour * 9007199254740991 * 9007199254740991 > 0 && context.hour > 8 };`);
  const at = (hour: number) => decide(both, { path: '/x' }, { action: 'files/list_directory', hour });
  // A policy that fails is no question to anybody.
  assert.deepEqual([at(0).allow, at(21).ask, at(12).ask, at(12).allow], [true, undefined, undefined, false]);
  assert.equal(both.visible({ ...decideFacts, action: 'files/list_directory' }), true);
});

const { arguments: _, ...decideFacts } = question(undefined, { hour: 0 });
