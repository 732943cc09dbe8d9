import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import type { Taken } from '../../src/contract/limits.ts';
import { StateUnavailable } from '../../src/contract/state-store.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { FaultyWay } from './faulty-way.ts';
import { noRedis, openShared, type RedisServer, redisServer, startRedis } from './support.ts';

const TIMED = { skip: noRedis, timeout: 300_000 };
/** Milliseconds for an answer: more than the product's second, which is too short for a good answer on a busy machine. */
const PATIENCE = 3000;
const own = { key: 'alice', interval: 600_000, burst: 3 };
const wide = { key: 'bob', interval: 1e-3, burst: 1e6 };
const budgets = [{ key: 'month', limit: 100, ttl: 86_400_000 }];
const reserve = (id: string, amount: number) => ({ own: wide, further: [], reserve: { id, amount, budgets } });
const refused = (error: unknown) => error instanceof StateUnavailable;
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A gateway's store on the faulty way, and what it tells of it. */
async function scene(t: TestContext) {
  const server = await redisServer(t);
  const way = await FaultyWay.to(t, server.port);
  const events: string[] = [];
  const raw = new Redis(server.url);
  raw.on('error', () => undefined);
  const told = (event: object) => void events.push(JSON.stringify(event));
  const store = await openShared(way.url, { fill: 0, told, patience: PATIENCE });
  t.after(() => Promise.all([store.close(), raw.disconnect()]));
  return { server, way, raw, store, events };
}
type Scene = Awaited<ReturnType<typeof scene>>;

/** Asks until the store can tell again; it must not let anything in before. */
async function recovered(ask: () => Promise<Taken>): Promise<Taken> {
  let taken: Taken | Error = new StateUnavailable();
  await until(async () => {
    taken = await ask().catch((error) => error);
    if (!(taken instanceof Error)) return true;
    assert.ok(refused(taken), String(taken));
    return false;
  });
  return taken as unknown as Taken;
}

interface Fault {
  readonly name: string;
  readonly why: RegExp;
  begin(scene: Scene, t: TestContext): Promise<() => Promise<unknown> | unknown>;
}
const faults: readonly Fault[] = [
  {
    name: 'stopped, and started again without what it knew',
    why: /ECONNREFUSED|closed|writeable/,
    async begin({ server }, t) {
      await server.stop();
      return () => startRedis(t, server.port);
    },
  },
  {
    name: 'frozen',
    why: /timed out/,
    async begin({ server }) {
      server.freeze();
      return () => server.thaw();
    },
  },
  {
    name: 'slowed by more than an answer may take',
    why: /timed out/,
    async begin({ way }) {
      way.delay = PATIENCE + 1000;
      return () => {
        way.delay = 0;
      };
    },
  },
  {
    name: 'answering garbage',
    why: /./,
    async begin({ way }) {
      way.answer = () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
      return () => {
        way.answer = (bytes) => bytes;
      };
    },
  },
  {
    name: 'cut before each answer',
    why: /./,
    async begin({ way }) {
      way.answer = () => undefined;
      return () => {
        way.answer = (bytes) => bytes;
      };
    },
  },
  {
    name: 'full',
    why: /OOM/,
    async begin({ raw }) {
      await raw.config('SET', 'maxmemory', '1');
      return () => raw.config('SET', 'maxmemory', '0');
    },
  },
  {
    name: 'a replica that takes no writes, and then its successor',
    why: /READONLY|timed out|closed|writeable/,
    async begin({ server, raw, way }, t) {
      const successor = await redisServer(t, '--replicaof', `127.0.0.1 ${server.port}`);
      const other = new Redis(successor.url);
      t.after(() => other.disconnect());
      await until(async () => (await other.info('replication')).includes('master_link_status:up'));
      await raw.replicaof('127.0.0.1', successor.port);
      return async () => {
        await other.replicaof('NO', 'ONE');
        way.target = successor.port;
      };
    },
  },
];

describe('a Redis that fails lets nobody through without a limit, is told of once, and is used again when it is back', {
  concurrency: true,
}, () => {
  for (const { name, why, begin } of faults)
    test(`redis: ${name}`, TIMED, async (t) => {
      verifies('limits.fleet');
      const it = await scene(t);
      const { store, events } = it;
      assert.equal((await store.take({ own, further: [] })).kind, 'taken');
      assert.equal((await store.take(reserve('a', 40))).kind, 'taken');
      await store.settle({ id: 'a', amount: 40, actual: 40, budgets });
      assert.equal(await store.once('proof', 60_000), true);
      assert.equal((await store.take(reserve('b', 10))).kind, 'taken');
      const end = await begin(it, t);
      // While it may be a moment, while it is told of, and when everybody knows.
      for (const round of ['first', 'told', 'known']) {
        const asked = Array.from({ length: 40 }, (_, at) => [
          store.take({ own, further: [] }),
          store.take(reserve(`${round} ${at}`, 1)),
          store.once('proof', 60_000),
          store.once(`${round} ${at}`, 60_000),
          store.records.write('session', 'a', '', 60_000),
        ]).flat();
        for (const one of await Promise.allSettled(asked))
          assert.ok(one.status === 'rejected' && refused(one.reason), JSON.stringify(one));
        if (round === 'first') await until(() => events.length > 0);
      }
      const settled = store.settle({ id: 'b', amount: 10, actual: 5, budgets });
      const began = performance.now();
      await end();
      await until(() => events.length > 1);
      t.diagnostic(`${name}: back after ${((performance.now() - began) / 1000).toFixed(1)} s`);
      assert.equal((await settled).at(0)?.spent, 45);
      assert.equal(await store.once('proof', 60_000), false);
      const kinds: string[] = [];
      for (let call = 0; call < 5; call++) kinds.push((await store.take({ own, further: [] })).kind);
      assert.ok(kinds.filter((kind) => kind === 'taken').length <= 3, kinds.join());
      // All that was asked for without an answer is given back, and nothing of it was charged.
      let last: Taken = { kind: 'taken', isProbe: false };
      let at = 0;
      await until(async () => {
        last = await store.take(reserve(`${at++}`, 56));
        assert.equal(last.kind, 'budget', 'a budget of 100 bore 56 beside 45');
        return last.held === 0;
      });
      assert.deepEqual(last, { kind: 'budget', key: 'month', spent: 45, held: 0 });
      assert.equal((await store.take(reserve('rest', 55))).kind, 'taken');
      assert.equal(events.length, 2, events.join());
      assert.match(events[0] ?? '', why);
      assert.equal(events[1], '{"back":true}');
    });
});

test('redis: slowed by two seconds it is not waited for, and used again when it is quick', TIMED, async (t) => {
  verifies('limits.fleet');
  const server = await redisServer(t);
  const way = await FaultyWay.to(t, server.port);
  const store = await openShared(way.url, { fill: 0, patience: 1000 });
  t.after(() => store.close());
  const ask = () => store.take({ own: wide, further: [] });
  assert.equal((await recovered(ask)).kind, 'taken');
  way.delay = 2000;
  await assert.rejects(ask(), /timed out/);
  await assert.rejects(store.once('proof', 60_000), refused);
  way.delay = 0;
  assert.equal((await recovered(ask)).kind, 'taken');
});

test(
  'redis: a reservation whose answer was lost, and which arrives when it has been given up, holds nothing',
  TIMED,
  async (t) => {
    verifies('limits.fleet', 'limits.cost');
    const { store, way } = await scene(t);
    way.hold();
    const asked = store.take(reserve('late', 60));
    await pause();
    way.hangUp();
    await assert.rejects(asked, refused);
    // Its successors come through on another connection, and give it up.
    const rest = () => store.take(reserve('rest', 100));
    assert.equal((await recovered(rest)).kind, 'taken');
    way.release();
    await store.settle({ id: 'rest', amount: 100, actual: 0, budgets });
    assert.equal((await recovered(() => store.take(reserve('again', 100)))).kind, 'taken');
  },
);

test('redis: an answer too many gives nobody the answer of another', TIMED, async (t) => {
  verifies('limits.fleet');
  const { store, way } = await scene(t);
  for (let call = 0; call < 3; call++) assert.equal((await store.take({ own, further: [] })).kind, 'taken');
  way.answer = (bytes) => {
    way.answer = (same) => same;
    return Buffer.concat([Buffer.from('*2\r\n$5\r\ntaken\r\n$1\r\n1\r\n'), bytes]);
  };
  const asked = Array.from({ length: 20 }, () => store.take({ own, further: [] }));
  for (const one of await Promise.allSettled(asked)) assert.ok(one.status === 'rejected' && refused(one.reason));
  assert.equal((await recovered(() => store.take({ own, further: [] }))).kind, 'rate');
});

test('redis: scripts that the server has lost are brought again, and nothing is refused for it', TIMED, async (t) => {
  const { store, raw, events } = await scene(t);
  await raw.script('FLUSH');
  const asked = Array.from({ length: 20 }, () => store.take({ own, further: [] }));
  assert.equal((await Promise.all(asked)).filter(({ kind }) => kind === 'taken').length, 3);
  assert.deepEqual(events, []);
});

test('redis: a key that somebody has spoilt is refused, and the store is not away for it', TIMED, async (t) => {
  const { store, raw, events } = await scene(t);
  assert.equal((await store.take({ own, further: [] })).kind, 'taken');
  const [spoilt = ''] = await raw.keys('{innerkeep}bucket:*');
  await raw.set(spoilt, 'spoilt');
  for (let call = 0; call < 5; call++) {
    await assert.rejects(store.take({ own, further: [] }), refused);
    assert.equal((await store.take({ own: wide, further: [] })).kind, 'taken');
  }
  assert.deepEqual(events, []);
});

test(
  'redis: emptied by its restart, it knows again what all gateways knew before it lets anything in',
  TIMED,
  async (t) => {
    verifies('limits.fleet');
    const server: RedisServer = await redisServer(t);
    const [one, other] = [await openShared(server.url, { fill: 3000 }), await openShared(server.url, { fill: 3000 })];
    t.after(() => Promise.all([one.close(), other.close()]));
    assert.equal((await one.take(reserve('a', 40))).kind, 'taken');
    await one.settle({ id: 'a', amount: 40, actual: 40, budgets });
    assert.equal((await other.take(reserve('b', 30))).kind, 'taken');
    await server.stop();
    const settled = other.settle({ id: 'b', amount: 30, actual: 25, budgets });
    await startRedis(t, server.port);
    await settled;
    const last = await recovered(() => one.take(reserve('d', 36)));
    assert.deepEqual(last, { kind: 'budget', key: 'month', spent: 65, held: 0 });
    assert.equal((await other.take(reserve('e', 35))).kind, 'taken');
  },
);

test(
  'redis: a breaker that is open stays open in a store that was emptied, though who opened it is dead',
  TIMED,
  async (t) => {
    verifies('limits.fleet', 'limits.breaker');
    const server = await redisServer(t);
    const raw = new Redis(server.url);
    const [one, other] = [await openShared(server.url, { fill: 0 }), await openShared(server.url, { fill: 0 })];
    t.after(() => Promise.all([one.close(), other.close(), raw.disconnect()]));
    const watch = (id: number) => ({ id: `${id}`, levels: [{ key: 'till/pay', party: `tenant ${id % 3}` }] });
    const turned = [];
    for (let id = 0; turned.length === 0 && id < 100; id++) {
      assert.equal((await one.take({ own: wide, further: [], watch: watch(id) })).kind, 'taken');
      turned.push(...(await one.observe(watch(id), { slow: false, fault: true })));
    }
    assert.equal(turned[0]?.to, 'open');
    const ask = () => other.take({ own: wide, further: [], watch: watch(100) });
    const before = await ask();
    await one.close();
    await raw.flushall();
    const after = await recovered(ask);
    assert.ok(before.kind === 'open' && after.kind === 'open', JSON.stringify([before, after]));
    assert.ok(after.wait <= before.wait);
  },
);

test('redis: what a dead gateway had reserved is given back to the others', TIMED, async (t) => {
  verifies('limits.fleet');
  const { url } = await redisServer(t);
  const clock = { at: 1_700_000_000_000 };
  const open = () => openShared(url, { wall: () => clock.at, fill: 0 });
  const [dead, alive] = [await open(), await open()];
  t.after(() => Promise.all([dead.close(), alive.close()]));
  assert.equal((await dead.take(reserve('a', 80))).kind, 'taken');
  await dead.close();
  assert.equal((await alive.take(reserve('b', 30))).kind, 'budget');
  let at = 0;
  await until(async () => {
    clock.at += 500;
    return (await alive.take(reserve(`c ${at++}`, 30))).kind === 'taken';
  });
});
