import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StateStore, StateUnavailable } from '../../src/contract/state-store.ts';
import { verifies } from '../support/verifies.ts';
import { noRedis, openShared, redisServer, startRedis } from './support.ts';

const own = { key: 'alice', interval: 60_000, burst: 3 };
const wide = { key: 'bob', interval: 1e-3, burst: 1e6 };
const budgets = [{ key: 'month', limit: 100, ttl: 86_400_000 }];
const reserve = (id: string, amount: number) => ({ own: wide, further: [], reserve: { id, amount, budgets } });

/** Asks until the store can tell again; it must not let anything in before. */
async function recovered(ask: () => ReturnType<StateStore['take']>) {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const taken = await ask().catch((error) => error);
    if (!(taken instanceof Error)) return taken;
    assert.ok(taken instanceof StateUnavailable, String(taken));
  }
  return assert.fail('the store did not come back');
}

test('redis: emptied by its restart, it knows again what was spent and is reserved before it lets anything in', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet');
  const server = await redisServer(t);
  const [one, other] = [await openShared(server.url, { fill: 0 }), await openShared(server.url, { fill: 0 })];
  t.after(() => Promise.all([one.close(), other.close()]));
  assert.equal((await one.take(reserve('a', 40))).kind, 'taken');
  await one.settle({ id: 'a', amount: 40, actual: 40, budgets });
  assert.equal((await other.take(reserve('b', 30))).kind, 'taken');
  await server.stop();
  await assert.rejects(one.take(reserve('c', 1)), StateUnavailable);
  // What cannot be settled now is settled when it can.
  const settled = other.settle({ id: 'b', amount: 30, actual: 25, budgets });
  await startRedis(t, server.port);
  await settled;
  const refused = await recovered(() => one.take(reserve('d', 36)));
  assert.deepEqual(refused, { kind: 'budget', key: 'month', spent: 65, held: 0 });
  assert.equal((await other.take(reserve('e', 35))).kind, 'taken');
});

test('redis: what a dead gateway had reserved is given back to the others', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet');
  const { url } = await redisServer(t);
  const clock = { at: 1_700_000_000_000 };
  const open = () => openShared(url, { wall: () => clock.at, fill: 0 });
  const [dead, alive] = [await open(), await open()];
  t.after(() => Promise.all([dead.close(), alive.close()]));
  assert.equal((await dead.take(reserve('a', 80))).kind, 'taken');
  await dead.close();
  assert.equal((await alive.take(reserve('b', 30))).kind, 'budget');
  const taken = await recovered(async () => {
    clock.at += 500;
    const answer = await alive.take(reserve('c', 30));
    if (answer.kind === 'budget') throw new StateUnavailable('still reserved');
    return answer;
  });
  assert.equal(taken.kind, 'taken');
});

test('redis: frozen for two seconds, it lets nobody in meanwhile, and everybody soon after', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet');
  const server = await redisServer(t);
  const store = await openShared(server.url, { fill: 0 });
  t.after(() => store.close());
  server.freeze();
  const asked = Promise.allSettled(Array.from({ length: 50 }, () => store.take({ own, further: [] })));
  const results = await asked;
  for (const { status } of results) assert.equal(status, 'rejected');
  server.thaw();
  // What came too late to be answered may have taken tokens: there are never more of them than three.
  const kinds = [(await recovered(() => store.take({ own, further: [] }))).kind];
  for (let call = 0; call < 5; call++) kinds.push((await store.take({ own, further: [] })).kind);
  assert.ok(kinds.filter((kind) => kind === 'taken').length <= 3, kinds.join());
});
