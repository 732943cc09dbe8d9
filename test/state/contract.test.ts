import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { type StateStore, StateUnavailable } from '../../src/contract/state-store.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { namer } from '../../src/drivers/state-store/redis/names.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { names, noRedis, openShared, redisServer, startRedis } from './support.ts';

interface Driver {
  readonly name: string;
  readonly skip: string | false;
  /** Two holders of one store, and what makes the time of a key pass. */
  open(t: TestContext): Promise<{ one: StateStore; other: StateStore; pass(key: string, ms: number): Promise<void> }>;
}

const drivers: readonly Driver[] = [
  {
    name: 'memory',
    skip: false,
    async open() {
      const clock = { at: 1_700_000_000_000 };
      const store = memoryStore(Date.now, { steady: () => clock.at });
      return {
        one: store,
        other: store,
        pass: async (_, ms) => {
          clock.at += ms;
        },
      };
    },
  },
  {
    name: 'redis',
    skip: noRedis,
    async open(t) {
      const { url } = await redisServer(t);
      const raw = new Redis(url);
      const [one, other] = await Promise.all([openShared(url), openShared(url)]);
      t.after(() => Promise.all([one.close(), other.close(), raw.quit()]));
      // Redis has a clock of its own; where its key is gone, its time has passed.
      return { one, other, pass: async (key) => void (await raw.pexpire(`{innerkeep}once:${namer(names)(key)}`, 0)) };
    },
  },
];

for (const { name, skip, open } of drivers) {
  test(`${name}: a key is new once, whoever asks, until its time has passed`, { skip }, async (t) => {
    const { one, other, pass } = await open(t);
    assert.equal(await one.once('a', 60_000), true);
    for (const store of [one, other, other, one]) assert.equal(await store.once('a', 60_000), false);
    assert.equal(await other.once('b', 60_000), true);
    await pass('a', 60_000);
    assert.equal(await other.once('a', 1), true);
  });

  test(`${name}: of a hundred that ask at once, one is told that it is the first`, { skip }, async (t) => {
    const { one, other } = await open(t);
    const asked = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? one : other).once('race', 60_000));
    assert.equal((await Promise.all(asked)).filter(Boolean).length, 1);
  });

  test(`${name}: keys are told apart, whatever characters they have`, { skip }, async (t) => {
    const { one, other } = await open(t);
    const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 300, unit: 'binary' }), { maxLength: 20 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(keys, async (list) => {
        run++;
        for (const key of list) assert.equal(await one.once(`${run} ${key}`, 60_000), true);
        for (const key of list) assert.equal(await other.once(`${run} ${key}`, 60_000), false);
      }),
      { numRuns: 20 },
    );
  });
}

test('memory: full, it forgets nothing before its time, and cannot tell of anything new', async () => {
  const clock = { at: 0 };
  const store = memoryStore(Date.now, { bound: 1000, steady: () => clock.at });
  for (let at = 0; at < 1000; at++) assert.equal(await store.once(`${at}`, at < 500 ? 60_000 : 600_000), true);
  await assert.rejects(store.once('new', 1000), StateUnavailable);
  assert.equal(await store.once('0', 1000), false);
  clock.at = 90_000;
  for (let at = 0; at < 500; at++) assert.equal(await store.once(`new ${at}`, 60_000), true);
  await assert.rejects(store.once('one more', 1000), StateUnavailable);
  assert.equal(await store.once('999', 1000), false);
});

test('redis: gone, it cannot tell, and says so at once; back again, it can', { skip: noRedis }, async (t) => {
  const server = await redisServer(t);
  const store = await openShared(server.url);
  t.after(() => store.close());
  assert.equal(await store.once('a', 60_000), true);
  await server.stop();
  for (let at = 0; at < 3; at++) await assert.rejects(store.once('b', 60_000), StateUnavailable);
  await startRedis(t, server.port);
  let told: boolean | undefined;
  await until(async () => {
    told = await store.once('c', 60_000).catch(() => undefined);
    return told !== undefined;
  });
  assert.equal(told, true);
});

test('redis: does not open without a server, the password, or where keys are dropped to make room', {
  skip: noRedis,
}, async (t) => {
  await assert.rejects(openShared(`redis://127.0.0.1:${await freePort()}`), StateUnavailable);
  const locked = await redisServer(t, '--requirepass', 'secret');
  await assert.rejects(openShared(locked.url), /NOAUTH|Authentication required/i);
  await (await openShared(locked.url.replace('://', '://:secret@'))).close();
  const evicting = await redisServer(t, '--maxmemory', '20mb', '--maxmemory-policy', 'allkeys-lru');
  await assert.rejects(openShared(evicting.url), /allkeys-lru.*noeviction/);
  const bounded = await redisServer(t, '--maxmemory', '20mb', '--maxmemory-policy', 'noeviction');
  await (await openShared(bounded.url)).close();
});
