import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bucket, Budget, Spending, Taken } from '../../src/contract/limits.ts';
import type { StateStore } from '../../src/contract/state-store.ts';
import { verifies } from '../support/verifies.ts';
import { drivers } from './rig.ts';

/** The bucket as one would explain it: a heap of tokens that grows with time, up to the burst. */
class Heap {
  readonly #bucket: Bucket;
  #tokens: number;
  constructor(bucket: Bucket) {
    this.#bucket = bucket;
    this.#tokens = bucket.burst;
  }
  pass(ms: number): void {
    this.#tokens = Math.min(this.#bucket.burst, this.#tokens + ms / this.#bucket.interval);
  }
  get wait(): number {
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) * this.#bucket.interval;
  }
  take(): void {
    this.#tokens -= 1;
  }
}

let names = 0;
const fresh = (name: string): string => `${name} ${names++}`;
const near = (one: number, other: number): boolean => Math.abs(one - other) < 1e-3;

for (const { name, skip, open } of drivers) {
  test(`${name}: over any order of calls, waits and clocks that are set, the tokens are those of a simple model`, {
    skip,
  }, async (t) => {
    verifies('limits.subject');
    const rig = await open(t);
    const command = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('take'), who: fc.nat(2), by: fc.nat(1) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.nat(4000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('step'), ms: fc.constantFrom(-3_600_000, 3_600_000) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 60 }), async (commands) => {
        const { stores, pass, step } = await rig();
        const own = [0, 1, 2].map((who) => ({ key: fresh(`own ${who}`), interval: 500, burst: 3 }));
        const tool: Bucket = { key: fresh('tool'), interval: 200, burst: 5 };
        const models = new Map([...own, tool].map((bucket) => [bucket.key, new Heap(bucket)]));
        for (const one of commands) {
          if ('who' in one) {
            const mine = own[one.who] as Bucket;
            const heaps = [mine, tool].map(({ key }) => models.get(key) as Heap);
            const wait = Math.max(...heaps.map((heap) => heap.wait));
            const taken = await (stores[one.by] as StateStore).take({ own: mine, further: [tool] });
            if (wait > 1e-3)
              assert.ok(taken.kind === 'rate' && near(taken.wait, wait), `${JSON.stringify(taken)} ${wait}`);
            else if (taken.kind === 'rate') assert.ok(taken.wait < 1e-3);
            if (taken.kind === 'taken') for (const heap of heaps) heap.take();
          } else if (one.kind === 'pass') {
            await pass(one.ms);
            for (const heap of models.values()) heap.pass(one.ms);
          } else {
            step(one.ms);
            await pass(1);
            // The step takes in the millisecond that passes with it, where the clock is one that is set.
            for (const heap of models.values()) heap.pass(name === 'redis' ? 0 : 1);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: a call that waits as long as it was told is let through, and one millisecond earlier it is not`, {
    skip,
  }, async (t) => {
    verifies('limits.subject');
    const { stores, pass } = await (await open(t))();
    const own: Bucket = { key: fresh('own'), interval: 600, burst: 20 };
    for (let call = 0; call < 20; call++)
      assert.equal((await stores[call % 2]?.take({ own, further: [] }))?.kind, 'taken');
    const refused = await stores[0].take({ own, further: [] });
    assert.ok(refused.kind === 'rate' && near(refused.wait, 600));
    await pass(599);
    assert.equal((await stores[1].take({ own, further: [] })).kind, 'rate');
    await pass(1);
    assert.equal((await stores[1].take({ own, further: [] })).kind, 'taken');
  });

  test(`${name}: who asks a hundred times as often as another of his tenant leaves him his part`, {
    skip,
  }, async (t) => {
    verifies('limits.subject');
    const { stores, pass } = await (await open(t))();
    const shared: Bucket = { key: fresh('tenant'), interval: 100, burst: 20 };
    const [greedy, modest] = ['greedy', 'modest'].map((who) => ({ key: fresh(who), interval: 1, burst: 1000 }));
    const got = { greedy: 0, modest: 0 };
    for (let at = 0; at < 600; at++) {
      for (let again = 0; again < 10; again++) {
        const { kind } = await stores[0].take({ own: greedy as Bucket, shared, further: [] });
        if (kind === 'taken') got.greedy++;
      }
      if (at % 10 === 0 && (await stores[1].take({ own: modest as Bucket, shared, further: [] })).kind === 'taken')
        got.modest++;
      await pass(100);
    }
    // In a minute 620 are there; the modest one asks for 60 of them, a tenth.
    assert.ok(got.modest >= 55, `${got.modest} of 60`);
    assert.ok(got.greedy >= 280 && got.greedy + got.modest <= 620, JSON.stringify(got));
  });

  test(`${name}: over any order of reservations and settlements, what is spent and held is that of a simple model`, {
    skip,
  }, async (t) => {
    verifies('limits.cost');
    const rig = await open(t);
    const command = fc.record({
      kind: fc.constantFrom('reserve', 'reserve', 'settle', 'again'),
      which: fc.nat(1),
      amount: fc.nat(40),
      by: fc.nat(1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 60 }), async (commands) => {
        const { stores } = await rig();
        const own: Bucket = { key: fresh('own'), interval: 1e-3, burst: 1e6 };
        const all: Budget[] = [80, 100, 120].map((limit) => ({ key: fresh('budget'), limit, ttl: 86_400_000 }));
        const model = new Map(all.map(({ key }) => [key, { spent: 0, held: 0 }]));
        const held: { id: string; amount: number; budgets: Budget[]; by: number }[] = [];
        const settled: typeof held = [];
        for (const { kind, which, amount, by } of commands) {
          if (kind === 'reserve') {
            const one = { id: fresh('call'), amount, budgets: [all[which] as Budget, all[2] as Budget], by };
            const over = one.budgets.find(({ key, limit }) => {
              const { spent, held: reserved } = model.get(key) as { spent: number; held: number };
              return spent + reserved + amount > limit;
            });
            const taken: Taken = await (stores[by] as StateStore).take({ own, further: [], reserve: one });
            const before = over && { kind: 'budget', key: over.key, ...model.get(over.key) };
            assert.deepEqual(taken, before ?? { kind: 'taken', isProbe: false });
            if (over !== undefined) continue;
            held.push(one);
            for (const { key } of one.budgets) (model.get(key) as { held: number }).held += amount;
          } else if (kind === 'settle') {
            const one = held.shift();
            if (one === undefined) continue;
            settled.push(one);
            const actual = Math.min(one.amount, amount);
            for (const { key } of one.budgets) {
              const account = model.get(key) as { spent: number; held: number };
              account.held -= one.amount;
              account.spent += actual;
            }
            const spendings = await (stores[one.by] as StateStore).settle({ ...one, actual });
            assert.deepEqual(
              spendings.map(({ key, spent }) => [key, spent]),
              one.budgets.map(({ key }) => [key, model.get(key)?.spent]),
            );
          } else if (settled[0] !== undefined) {
            const [one] = settled;
            assert.deepEqual(await (stores[one.by] as StateStore).settle({ ...one, actual: one.amount }), []);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: ten thousand calls at once spend a budget to its last micro-dollar, and not one more`, {
    skip,
  }, async (t) => {
    const { stores } = await (await open(t))();
    const own: Bucket = { key: fresh('own'), interval: 1e-3, burst: 1e6 };
    const budgets = [{ key: fresh('month'), limit: 1_000_003, ttl: 86_400_000 }];
    const passed: Spending[][] = [];
    let left = 10_000;
    // As many at once as a store may take to answer in its second.
    const lane = async (_: unknown, at: number): Promise<void> => {
      const store = stores[at % 2] as StateStore;
      while (left-- > 0) {
        const reserve = { id: fresh('call'), amount: 1001, budgets };
        const { kind } = await store.take({ own, further: [], reserve });
        if (kind === 'taken') passed.push([...(await store.settle({ ...reserve, actual: 1001 }))]);
      }
    };
    await Promise.all(Array.from({ length: 100 }, lane));
    assert.equal(passed.length, 999);
    assert.equal(Math.max(...passed.flat().map(({ spent }) => spent)), 999_999);
    const reached = passed.flat().flatMap((one) => one.reached ?? []);
    assert.deepEqual(
      reached.sort((a, b) => a - b),
      [50, 80, 95],
    );
  });
}
