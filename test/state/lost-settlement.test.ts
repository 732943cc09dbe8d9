import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { FaultyWay } from './faulty-way.ts';
import { noRedis, openShared, redisServer } from './support.ts';

const budgets = [{ key: 'month', limit: 100, ttl: 86_400_000 }];
const own = { key: 'bob', interval: 1e-3, burst: 1e6 };

test('redis: a settlement whose answer was lost is not charged a second time', {
  skip: noRedis,
  timeout: 300_000,
}, async (t) => {
  verifies('limits.fleet', 'limits.cost');
  const server = await redisServer(t);
  const way = await FaultyWay.to(t, server.port);
  const [store, other] = [await openShared(way.url, { fill: 0 }), await openShared(server.url, { fill: 0 })];
  const raw = new Redis(server.url);
  t.after(() => Promise.all([store.close(), other.close(), raw.disconnect()]));
  const take = (at: typeof store, id: string, amount: number) =>
    at.take({ own, further: [], reserve: { id, amount, budgets } });
  assert.equal((await take(store, 'a', 60)).kind, 'taken');
  const [budget = ''] = await raw.keys('{innerkeep}budget:*');
  way.answer = () => undefined;
  const settled = store.settle({ id: 'a', amount: 60, actual: 40, budgets });
  await until(async () => Number(await raw.hget(budget, 'spent')) > 0);
  way.answer = (bytes) => bytes;
  assert.equal((await settled).at(0)?.spent, 40);
  assert.deepEqual(await take(other, 'b', 61), { kind: 'budget', key: 'month', spent: 40, held: 0 });
  assert.equal((await take(other, 'c', 60)).kind, 'taken');
});
