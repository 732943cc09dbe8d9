import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { verifies } from '../support/verifies.ts';
import { noRedis, openShared, redisServer } from './support.ts';

const HOUR = 3_600_000;
const START = 1_700_000_000_000;
const own = { key: 'alice', interval: 1, burst: 1000 };
const reserve = (id: string, amount: number) => ({
  ...{ own, further: [] },
  reserve: { id, amount, budgets: [{ key: 'month', limit: 100, ttl: 24 * HOUR }] },
});

test('memory: a clock that is set by an hour, to and fro, makes no used name new, and brings no record back', async () => {
  verifies('limits.fleet');
  const clock = { wall: START, steady: 0 };
  const store = memoryStore(() => clock.wall, { steady: () => clock.steady });
  assert.equal(await store.once('proof', 60_000), true);
  await store.records.write('session', 'a', 'text', 60_000);
  for (const by of [HOUR, -2 * HOUR, HOUR]) {
    clock.wall += by;
    assert.equal(await store.once('proof', 60_000), false);
    assert.equal((await store.records.read('session', 'a'))?.text, 'text');
  }
  clock.steady = 60_000;
  clock.wall -= HOUR;
  assert.equal(await store.once('proof', 60_000), true);
  assert.equal(await store.records.read('session', 'a'), undefined);
});

test('redis: a clock that is set by an hour, to and fro, makes no used name new, and gives back nothing that somebody holds', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet', 'limits.cost');
  const { url } = await redisServer(t);
  const clock = { wall: START };
  const open = () => openShared(url, { wall: () => clock.wall, fill: 0 });
  const [one, other] = [await open(), await open()];
  t.after(() => Promise.all([one.close(), other.close()]));
  assert.equal(await one.once('proof', 60_000), true);
  assert.equal((await one.take(reserve('a', 80))).kind, 'taken');
  for (const by of [HOUR, -2 * HOUR, HOUR]) {
    clock.wall += by;
    assert.equal(await other.once('proof', 60_000), false);
    assert.deepEqual(await other.take(reserve(`b ${by}`, 30)), { kind: 'budget', key: 'month', spent: 0, held: 80 });
  }
  assert.equal((await one.settle({ ...reserve('a', 80).reserve, actual: 80 })).at(0)?.spent, 80);
  for (let passed = 0; passed <= 60_000; passed += 1500) {
    clock.wall += 1500;
    await other.take({ own, further: [] });
  }
  assert.equal(await other.once('proof', 60_000), true);
});
