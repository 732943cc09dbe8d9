import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { type Records, type SealKey, StateUnavailable } from '../../src/contract/state-store.ts';
import { StateKeys } from '../../src/control-plane/state-keys/state-keys.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { noRedis, openShared, redisServer, seals } from './support.ts';

const HOUR = 3_600_000;
const drivers = [
  {
    name: 'memory',
    skip: false as const,
    open: async (_: TestContext) => {
      const { records } = memoryStore(Date.now);
      return [records, records] as const;
    },
  },
  {
    name: 'redis',
    skip: noRedis,
    open: async (t: TestContext) => {
      const { url } = await redisServer(t);
      const [one, other] = [await openShared(url), await openShared(url)];
      t.after(() => Promise.all([one.close(), other.close()]));
      return [one.records, other.records] as const;
    },
  },
];

for (const { name, skip, open } of drivers)
  test(`${name}: what one gateway writes another reads, and of two that replace the same writing one does`, {
    skip,
  }, async (t) => {
    verifies('limits.fleet');
    const [one, other] = await open(t);
    assert.equal(await other.read('session', 'a'), undefined);
    assert.equal(await one.write('session', 'a', 'first', HOUR, null), true);
    assert.equal(await other.write('session', 'a', 'first too', HOUR, null), false);
    const seen = await other.read('session', 'a');
    assert.equal(seen?.text, 'first');
    assert.equal(await other.read('task', 'a'), undefined);
    const both = await Promise.all([one, other].map((store) => store.write('session', 'a', 'second', HOUR, seen)));
    assert.deepEqual(both.sort(), [false, true]);
    assert.equal(await one.write('session', 'a', 'whatever was there', HOUR), true);
    assert.equal((await other.read('session', 'a'))?.text, 'whatever was there');
    await other.remove('session', 'a');
    assert.equal(await one.read('session', 'a'), undefined);
    for (const ttl of [0, -1, Number.NaN, 25 * HOUR]) await assert.rejects(one.write('a', 'a', '', ttl), RangeError);
  });

test('memory: a record ends with its time, and a store that is full takes no more', async () => {
  const clock = { at: 0 };
  const { records } = memoryStore(Date.now, { steady: () => clock.at });
  for (let at = 0; at < 100_000; at++) await records.write('kind', `${at}`, '', HOUR);
  await assert.rejects(records.write('kind', 'one more', '', HOUR), StateUnavailable);
  assert.equal(await records.write('kind', '7', 'again', HOUR), true);
  clock.at = HOUR;
  assert.equal(await records.read('kind', '7'), undefined);
  assert.equal(await records.write('kind', 'one more', '', HOUR), true);
});

test('redis: a record that was altered, or put in another one’s place, or written without our key, is none', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet');
  const { url } = await redisServer(t);
  const [store, raw] = [await openShared(url), new Redis(url)];
  t.after(() => Promise.all([store.close(), raw.quit()]));
  await store.records.write('session', 'alice', 'of alice', HOUR);
  const [hers = ''] = await raw.keys('innerkeep:record:*');
  await store.records.write('session', 'mallory', 'of mallory', HOUR);
  const his = (await raw.keys('innerkeep:record:*')).find((key) => key !== hers) ?? '';
  const [sealed = '', other = ''] = [await raw.get(hers), await raw.get(his)];
  await raw.set(hers, other ?? '');
  assert.equal(await store.records.read('session', 'alice'), undefined);
  for (let at = 0; at < (sealed?.length ?? 0); at += 7) {
    const to = sealed?.[at] === 'A' ? 'B' : 'A';
    await raw.set(hers, `${sealed?.slice(0, at)}${to}${sealed?.slice(at + 1)}`);
    assert.equal(await store.records.read('session', 'alice'), undefined, `${at}`);
  }
  for (const junk of ['', '.', 'sealing.', 'nobody.AAAA', 'x'.repeat(1000)]) {
    await raw.set(hers, junk);
    assert.equal(await store.records.read('session', 'alice'), undefined);
  }
  await raw.set(hers, sealed ?? '');
  assert.equal((await store.records.read('session', 'alice'))?.text, 'of alice');
  const stranger = await openShared(url, { seals: () => seals.map(({ id }) => ({ id, key: 'A'.repeat(43) })) });
  t.after(() => stranger.close());
  assert.equal(await stranger.records.read('session', 'alice'), undefined);
  const keyless = await openShared(url, { seals: () => [] });
  t.after(() => keyless.close());
  await assert.rejects(keyless.records.write('session', 'bob', 'plain', HOUR), StateUnavailable);
});

test('redis: over a change of keys every gateway reads what every other writes, whoever hears of it first; then the old key opens nothing', {
  skip: noRedis,
}, async (t) => {
  verifies('limits.fleet');
  const clock = { at: Date.parse('2026-11-29T00:00:00Z') };
  const state = scratch(t);
  const keys = new StateKeys(
    state,
    () => clock.at,
    () => undefined,
    (error) => assert.fail(String(error)),
  );
  t.after(() => keys.close());
  assert.equal(statSync(join(state, 'state-keys.json')).mode & 0o777, 0o600);
  const { url } = await redisServer(t);
  const held: { early: readonly SealKey[]; late: readonly SealKey[] } = { early: keys.seals, late: keys.seals };
  const [early, late] = [
    await openShared(url, { seals: () => held.early }),
    await openShared(url, { seals: () => held.late }),
  ];
  t.after(() => Promise.all([early.close(), late.close()]));
  const reads = async (from: Records, to: Records): Promise<string | undefined> => {
    await from.write('session', 'a', 'readable', HOUR);
    return (await to.read('session', 'a'))?.text;
  };
  for (let day = 0; day < 4; day++) {
    clock.at += 24 * HOUR;
    assert.equal(keys.turn(), true);
    assert.equal(keys.turn(), false);
    held.early = keys.seals;
    assert.equal(await reads(early.records, late.records), 'readable');
    assert.equal(await reads(late.records, early.records), 'readable');
    held.late = keys.seals;
  }
  await early.records.write('session', 'old', 'readable', 24 * HOUR);
  const before = keys.names;
  for (const isThere of [true, false]) {
    clock.at += 24 * HOUR;
    keys.turn();
    held.early = keys.seals;
    assert.equal((await early.records.read('session', 'old')) !== undefined, isThere);
  }
  const again = new StateKeys(
    state,
    () => clock.at,
    () => undefined,
    (error) => assert.fail(String(error)),
  );
  t.after(() => again.close());
  assert.deepEqual([again.names, again.seals], [before, keys.seals]);
  writeFileSync(join(state, 'state-keys.json'), '{}');
  assert.throws(
    () =>
      new StateKeys(
        state,
        () => clock.at,
        () => undefined,
        (error) => assert.fail(String(error)),
      ),
    /is not what keys are kept in/,
  );
});
