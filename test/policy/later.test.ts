import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyEngine, Verdict } from '../../src/contract/policy-engine.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { authorizeStage } from '../../src/gateway/authorization/authorize.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { verifies } from '../support/verifies.ts';
import { historyUse, nobody, validated } from './calls.ts';
import { server, tool } from './support.ts';

const bank = { pins: server('bank', [tool('pay', {})]), tools: {}, deadline: 1, maxResult: 1 };
const no: Verdict = { allow: false, policies: [], detail: 'no' };

/** The stage over an engine beside this process. */
function later(decide: PolicyEngine['decide']) {
  const unasked = { clock: { now: () => 0, setTimer: () => () => undefined }, confirm: () => Promise.reject() };
  const engine: PolicyEngine = { decide, visible: () => true };
  const histories = new Histories(() => 0);
  const authorize = authorizeStage({
    ...{ engine, servers: [bank], now: () => 0, ipRisk: () => undefined, histories, historyUse },
    ...unasked,
  });
  return async (who: string) => {
    try {
      await authorize(validated(who, 'bank', 'pay', {}), nobody);
      return 'allowed';
    } catch (error) {
      return error instanceof Refusal ? error.code : String(error);
    }
  };
}

test('calls made at once know of each other, however long the engine takes: none races past the history', async () => {
  verifies('authz.question', 'authz.default-deny');
  const pay = later(async ({ context }) => {
    const { calls } = context.session;
    await new Promise((resolve) => setImmediate(resolve));
    return { ...no, allow: (calls['bank/pay'] ?? 0) < 3 };
  });
  const answers = await Promise.all(Array.from({ length: 12 }, () => pay('alice')));
  assert.deepEqual(answers, [...Array(3).fill('allowed'), ...Array(9).fill('policy')]);
});

test("a session whose answer does not come holds up no other's, and a refusal lets the next of its own be judged", async () => {
  verifies('authz.default-deny');
  const waiting = Promise.withResolvers<Verdict>();
  let asked = 0;
  const pay = later(({ subject }) => {
    if (subject.id !== 'alice') return Promise.resolve({ ...no, allow: true });
    return asked++ === 0 ? waiting.promise : Promise.resolve({ ...no, allow: true });
  });
  const [first, second] = [pay('alice'), pay('alice')];
  assert.equal(await pay('bob'), 'allowed');
  assert.equal(asked, 1);
  waiting.resolve(no);
  assert.deepEqual([await first, await second], ['policy', 'allowed']);
});
