import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limits } from '../../src/contract/limits.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { StateUnavailable } from '../../src/contract/state-store.ts';
import { Authorized, Confirmed, Validated } from '../../src/contract/tool-call.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { Flights } from '../../src/gateway/limits/flights.ts';
import { money } from '../../src/gateway/limits/money.ts';
import { Pace } from '../../src/gateway/limits/pace.ts';
import { limitStage } from '../../src/gateway/limits/stage.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const limits: Limits = {
  perSubject: { interval: 600, burst: 2 },
  perSource: { interval: 1000, burst: 3 },
  inFlight: { total: 100, perServer: 100 },
};
const free = money(limits, [], Date.now);
const none = { watch: () => undefined };
const flights = new Flights();
const pin = { name: 'tool', raw: '{}', digest: '' };
const call = () => {
  const valid = new Validated(known({ method: 'tools/call', pin }, '{"name":"tool"}'), { arguments: {}, raw: '{}' });
  return new Confirmed(new Authorized(valid, { allow: true, policies: [], detail: '' }), undefined);
};
const refused = (code: string, seconds?: string) => (error: unknown) => {
  assert.ok(error instanceof Refusal);
  assert.deepEqual([error.code, error.challenge], [code, seconds]);
  return true;
};

test('a clock that is set by an hour, to and fro, gives no tokens and locks nobody out', async (t) => {
  verifies('limits.subject');
  const steady = { at: 0 };
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  const store = memoryStore(Date.now, { steady: () => steady.at });
  const limit = limitStage({ limits, servers: [], money: free, breakers: none, flights, store });
  await limit(call());
  await limit(call());
  for (const now of [1_700_003_600_000, 1_699_996_400_000, 1_700_003_600_000]) {
    t.mock.timers.setTime(now);
    await assert.rejects(limit(call()), refused('rate', '1'));
  }
  steady.at += 600;
  await limit(call());
});

test('seconds to wait are rounded up: who comes then is let in', async () => {
  verifies('limits.subject');
  const steady = { at: 0 };
  const slow = { ...limits, perSubject: { interval: 7300, burst: 1 } };
  const limit = limitStage({
    limits: slow,
    servers: [],
    money: free,
    breakers: none,
    flights,
    store: memoryStore(Date.now, { steady: () => steady.at }),
  });
  await limit(call());
  await assert.rejects(limit(call()), refused('rate', '8'));
  steady.at = 8000;
  await limit(call());
});

test('when the store cannot tell, no call passes', async () => {
  verifies('limits.subject');
  const store = { take: () => Promise.reject(new StateUnavailable('gone')) };
  await assert.rejects(
    limitStage({ limits, servers: [], money: free, breakers: none, flights, store })(call()),
    refused('unavailable'),
  );
});

test('an address is its /64, whichever way it is written; what it wastes is its own', () => {
  verifies('limits.subject');
  const clock = { at: 0 };
  const pace = new Pace(() => clock.at);
  for (const remote of ['2001:db8::1:1', '2001:db8:0:0:ffff::2:2', '2001:db8::abcd:ef:3'])
    pace.badSource(remote, limits);
  assert.throws(() => pace.demandSource('2001:db8::9:4', limits), refused('rate', '1'));
  pace.demandSource('2001:db8:0:1::1:5', limits);
  for (let bad = 0; bad < 3; bad++) pace.badSource(`::ffff:192.0.2.1:${bad}`, limits);
  assert.throws(() => pace.demandSource('192.0.2.1:6', limits), refused('rate', '1'));
  pace.demandSource('192.0.2.2:7', limits);
  clock.at = 1000;
  pace.demandSource('2001:db8::9:4', limits);
});

test('addresses beyond what is kept apart share what is left', () => {
  const pace = new Pace(() => 0);
  for (let at = 0; at < 100_000; at++) pace.badSource(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:1`, limits);
  for (let bad = 0; bad < 3; bad++) pace.badSource(`192.0.2.${bad}:1`, limits);
  assert.throws(() => pace.demandSource('198.51.100.1:1', limits), refused('rate', '1'));
  pace.demandSource('10.0.0.1:9', limits);
});
