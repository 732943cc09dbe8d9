import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { AwayAllowance, Bucket, Demand } from '../../src/contract/limits.ts';
import { StateUnavailable } from '../../src/contract/state-store.ts';
import { Allowance } from '../../src/drivers/state-store/redis/allowance.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { noRedis, openShared, type RedisServer, redisServer, startRedis } from './support.ts';

const TIMED = { skip: noRedis, timeout: 300_000 };
const away: AwayAllowance = { share: 0.25, daily: 100 };
const wide: Bucket = { key: 'wide', interval: 1e-3, burst: 1e6 };
const budgets = [{ key: 'month', limit: 1000, ttl: 86_400_000 }];
const priced = (id: string, amount: number, more: Partial<Demand> = {}): Demand => ({
  ...{ own: wide, further: [], away, ...more },
  reserve: { id, amount, budgets },
});

test('property: one gateway lets through no more than its share of any bucket, however it is asked, and owes what it let through', () => {
  const command = fc.record({ who: fc.nat(2), ms: fc.nat(3000) });
  const share = fc.double({ min: 0.05, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(command, { minLength: 10, maxLength: 80 }), share, (commands, part) => {
      const clock = { at: 1000 };
      const allowance = new Allowance(() => clock.at);
      const own = [0, 1, 2].map((who): Bucket => ({ key: `own ${who}`, interval: 500, burst: 8 }));
      const tool: Bucket = { key: 'tool', interval: 200, burst: 30 };
      const passed = new Map<string, number>();
      const began = clock.at;
      for (const { who, ms } of commands) {
        const demand = { own: own[who] as Bucket, further: [tool] };
        const taken = allowance.take(demand, { share: part, daily: 0 }, () => 0);
        if (taken.kind === 'taken')
          for (const { key } of [demand.own, tool]) passed.set(key, (passed.get(key) ?? 0) + 1);
        else assert.ok(taken.kind === 'rate' && taken.wait > 0 && Number.isFinite(taken.wait));
        for (const { key, interval, burst } of [...own, tool])
          assert.ok((passed.get(key) ?? 0) <= burst * part + ((clock.at - began) * part) / interval + 1e-6);
        clock.at += ms;
      }
      const owed = new Map(allowance.owed?.debts.map(({ key, taken }) => [key, taken]));
      assert.deepEqual(owed, passed);
    }),
  );
});

test('without money in its allowance a gateway lets no call pass that costs any; with it, up to that and no budget further', () => {
  verifies('limits.cost');
  const clock = { at: Date.parse('2026-11-29T23:00:00Z') };
  const allowance = new Allowance(
    () => 0,
    () => clock.at,
  );
  const take = (id: string, amount: number, daily: number, spent = 0) =>
    allowance.take(priced(id, amount), { share: 1, daily }, () => spent);
  assert.equal(take('a', 1, 0).kind, 'budget');
  assert.equal(take('b', 60, 100).kind, 'taken');
  assert.equal(take('c', 41, 100).kind, 'budget');
  allowance.cost({ id: 'b', amount: 60, budgets }, 10);
  assert.equal(take('d', 90, 100).kind, 'taken');
  assert.equal(take('e', 1, 100).kind, 'budget');
  // A day begins when it does, and not anew because a clock was set back and forth.
  clock.at -= 3_600_000;
  assert.equal(take('f', 1, 100).kind, 'budget');
  clock.at += 2 * 3_600_000;
  assert.equal(take('g', 100, 100).kind, 'taken');
  clock.at -= 2 * 3_600_000;
  assert.equal(take('h', 1, 100).kind, 'budget');
  clock.at += 26 * 3_600_000;
  // What the budget had come to when the store was last heard, and what this gateway has let be spent of it since.
  assert.equal(take('i', 50, 100, 751).kind, 'budget');
  assert.equal(take('j', 50, 100, 750).kind, 'taken');
});

/** A store that is away, and known to be. */
async function gone(t: TestContext) {
  let server: RedisServer = await redisServer(t);
  const events: object[] = [];
  const store = await openShared(server.url, { fill: 0, told: (event) => void events.push(event) });
  t.after(() => store.close());
  const leave = async () => {
    const before = events.length;
    await server.stop();
    await until(() => events.length > before);
  };
  const back = async () => {
    const before = events.length;
    server = await startRedis(t, server.port);
    await until(() => events.length > before);
  };
  return { store, leave, back };
}

test(
  'redis: what passed by the allowance is owed to the store when it is back, once, so that nobody gains by its absence',
  TIMED,
  async (t) => {
    verifies('limits.fleet', 'limits.subject');
    const { store, leave, back } = await gone(t);
    const own: Bucket = { key: 'alice', interval: 600_000, burst: 8 };
    const kinds = async (times: number): Promise<number> => {
      let taken = 0;
      for (let call = 0; call < times; call++)
        if ((await store.take({ own, further: [], away })).kind === 'taken') taken++;
      return taken;
    };
    assert.equal(await kinds(3), 3);
    await leave();
    assert.equal(await kinds(6), 2);
    await assert.rejects(store.take({ own, further: [] }), StateUnavailable);
    await back();
    assert.equal(await kinds(10), 6, 'the emptied store gave eight, and two of them were owed');
    await leave();
    assert.equal(await kinds(6), 0, 'its going away again gave a share anew');
    await back();
  },
);

test(
  'redis: money that was let be spent while the store was away is in its budgets when it is back, to the micro-dollar',
  TIMED,
  async (t) => {
    verifies('limits.fleet', 'limits.cost');
    const { store, leave, back } = await gone(t);
    assert.equal((await store.take(priced('before', 500))).kind, 'taken');
    assert.equal((await store.settle({ id: 'before', amount: 500, actual: 450, budgets })).at(0)?.spent, 450);
    await leave();
    assert.equal((await store.take(priced('a', 60))).kind, 'taken');
    assert.equal((await store.take(priced('b', 40))).kind, 'taken');
    assert.equal((await store.take(priced('c', 1))).kind, 'budget');
    const settled = store.settle({ id: 'a', amount: 60, actual: 55, budgets });
    await assert.rejects(store.take({ ...priced('d', 1), away: undefined }), StateUnavailable);
    await assert.rejects(store.once('proof', 60_000), StateUnavailable, 'a replay would pass at each gateway');
    await back();
    assert.equal((await settled).at(0)?.spent, 505);
    assert.deepEqual(await store.take(priced('e', 456)), { kind: 'budget', key: 'month', spent: 505, held: 40 });
    assert.equal((await store.settle({ id: 'b', amount: 40, actual: 40, budgets })).at(0)?.spent, 545);
    assert.deepEqual(await store.settle({ id: 'b', amount: 40, actual: 40, budgets }), []);
    assert.equal((await store.take(priced('f', 455))).kind, 'taken');
  },
);

test('redis: refuses what costs money where no more settlements can wait for the store; those that do are all counted later', {
  ...TIMED,
  timeout: 300_000,
}, async (t) => {
  verifies('limits.fleet', 'limits.cost');
  const { store, leave, back } = await gone(t);
  await leave();
  const own: Bucket = { key: 'alice', interval: 1e-3, burst: 1e6 };
  const [wide, many] = [{ share: 1, daily: 1e9 }, 10_000];
  const [month] = [{ key: 'month', limit: 1e9, ttl: 86_400_000 }];
  const priced = (id: number) => ({
    own,
    further: [],
    away: wide,
    reserve: { id: `${id}`, amount: 2, budgets: [month] },
  });
  const settled: Promise<unknown>[] = [];
  for (let id = 0; id < many; id++) {
    assert.equal((await store.take(priced(id))).kind, 'taken');
    settled.push(store.settle({ ...priced(id).reserve, actual: 1 }));
  }
  await assert.rejects(store.take(priced(many)), /10000 settlements wait/);
  assert.equal((await store.take({ own, further: [], away: wide })).kind, 'taken');
  await back();
  await Promise.all(settled);
  assert.equal((await store.take(priced(many + 1))).kind, 'taken');
  const spent = await store.settle({ ...priced(many + 1).reserve, actual: 0 });
  assert.equal(spent.at(0)?.spent, many);
});
