import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BreakerLevel, levelKey, type Seen, type Turned, type Watch } from '../../src/contract/breaker.ts';
import type { Bucket, Taken } from '../../src/contract/limits.ts';
import type { StateStore } from '../../src/contract/state-store.ts';
import { verifies } from '../support/verifies.ts';
import { drivers } from './rig.ts';

const MINUTE = 60_000;
const own: Bucket = { key: 'everybody', interval: 1e-3, burst: 1e6 };
const GOOD: Seen = { slow: false, fault: false };
const SLOW: Seen = { slow: true, fault: false };
const FAULT: Seen = { slow: false, fault: true };

/** The breaker as one would explain it: what it was told, whether it is open until when, and who tries it. */
class Model {
  readonly level: BreakerLevel;
  #told: ({ readonly at: number; readonly party: string } & Seen)[] = [];
  #open: { until: number; probe?: { id: string; until: number } | undefined } | undefined;
  constructor(level: BreakerLevel) {
    this.level = level;
  }
  wait(at: number): number {
    return Math.max(this.#open?.until ?? 0, this.#open?.probe?.until ?? 0) - at;
  }
  pass(id: string, at: number): boolean {
    if (this.#open === undefined) return false;
    this.#open.probe = { id, until: at + 2 * MINUTE };
    return true;
  }
  observe(id: string, seen: Seen | undefined, at: number): 'open' | 'closed' | undefined {
    if (this.#open !== undefined) {
      if (this.#open.probe?.id !== id) return undefined;
      this.#open.probe = undefined;
      if (seen === undefined) return undefined;
      if (seen.slow || seen.fault) this.#open.until = at + 5 * MINUTE;
      else [this.#open, this.#told] = [undefined, []];
      return this.#open === undefined ? 'closed' : undefined;
    }
    const slot = (time: number): number => Math.floor(time / (MINUTE / 2));
    this.#told = this.#told.filter((one) => slot(one.at) >= slot(at) - 1);
    const isTrouble = seen?.slow || seen?.fault;
    const { party } = this.level;
    if (seen === undefined || (party === undefined && !isTrouble && this.#told.length === 0)) return undefined;
    this.#told.push({ at, party: party ?? '', ...seen });
    if (!isTrouble || !(this.#tooMany('slow', 0.01) || this.#tooMany('fault', 0.1))) return undefined;
    this.#open = { until: at + 5 * MINUTE };
    return 'open';
  }
  #tooMany(kind: 'slow' | 'fault', share: number): boolean {
    const rate = (calls: readonly Seen[]): number => calls.filter((one) => one[kind]).length / calls.length;
    const count = this.#told.filter((one) => one[kind]).length;
    if (this.#told.length < 20 || count < 3 || rate(this.#told) <= share) return false;
    if (this.level.party === undefined) return true;
    const by = Map.groupBy(this.#told, ({ party }) => party);
    const [worst] = [...by.values()].sort(
      (a, b) => b.filter((one) => one[kind]).length - a.filter((one) => one[kind]).length || a.length - b.length,
    );
    const others = this.#told.filter((one) => !worst?.includes(one));
    return others.length >= 5 && rate(others) > share;
  }
}

/** What random calls may not come to in fifty runs. */
const OPENED_AND_CLOSED = [
  { kind: 'calls' as const, who: 0, times: 15, seen: FAULT },
  { kind: 'calls' as const, who: 2, times: 15, seen: FAULT },
  { kind: 'pass' as const, ms: 301_000 as const },
  { kind: 'calls' as const, who: 1, times: 2, seen: GOOD },
];

let names = 0;
/** One tool, its callers, and the calls that they make of it. */
function tool(stores: readonly [StateStore, StateStore]) {
  const name = `srv/tool ${names++}`;
  let calls = 0;
  const watch = (tenant: string, subject: string): Watch => ({
    id: `${name} ${calls++}`,
    levels: [
      { key: levelKey(name), party: tenant },
      { key: levelKey(name, { tenant }), party: subject },
      { key: levelKey(name, { tenant, subject }) },
    ],
  });
  const take = (asked: Watch, by = 0): Promise<Taken> =>
    (stores[by] as StateStore).take({ own, further: [], watch: asked });
  /** So many calls, each over before the next: how many were let through, and what has turned. */
  const burst = async (tenant: string, subject: string, count: number, seen: Seen) => {
    const turned: Turned[] = [];
    let passed = 0;
    for (let call = 0; call < count; call++) {
      const asked = watch(tenant, subject);
      if ((await take(asked, call % 2)).kind !== 'taken') continue;
      passed++;
      turned.push(...(await stores[call % 2 === 0 ? 1 : 0].observe(asked, seen)));
    }
    return { passed, turned: turned.map(({ key, to }) => `${to} ${key.slice(key.indexOf(',') + 1, -1)}`) };
  };
  return { watch, take, burst };
}

for (const { name, skip, open } of drivers) {
  test(`${name}: over any order of calls, ends, waits and clocks that are set, a breaker is what a simple model is`, {
    skip,
  }, async (t) => {
    verifies('limits.breaker');
    const rig = await open(t);
    const callers = [
      ['a', 'one'],
      ['a', 'two'],
      ['b', 'three'],
    ] as const;
    const seen = fc.constantFrom(GOOD, GOOD, SLOW, FAULT, { slow: true, fault: true }, undefined);
    const command = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('calls'),
          who: fc.nat(2),
          times: fc.integer({ min: 1, max: 15 }),
          seen,
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin'), who: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('end'), seen }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(100, 16_000, 121_000, 301_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('step'), ms: fc.constantFrom(-60 * MINUTE, 60 * MINUTE) }),
      },
    );
    const reached = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), fc.nat(1), async (commands, parity) => {
        const { stores, pass, step, now } = await rig();
        const { watch, take } = tool(stores);
        const models = new Map<string, Model>();
        const running: Watch[] = [];
        const modelsOf = ({ levels }: Watch): Model[] =>
          levels.map((level) => {
            const model = models.get(level.key) ?? new Model(level);
            Object.assign(model, { level });
            models.set(level.key, model);
            return model;
          });
        const begin = async (who: number, by: number): Promise<Watch | undefined> => {
          const [tenant, subject] = callers[who] as (typeof callers)[number];
          const asked = watch(tenant, subject);
          const all = modelsOf(asked);
          const refusing = all.find((model) => model.wait(now()) > 0);
          const taken = await take(asked, by);
          reached.add(taken.kind);
          if (refusing !== undefined) {
            assert.ok(taken.kind === 'open' && taken.key === refusing.level.key, JSON.stringify(taken));
            assert.ok(Math.abs(taken.wait - refusing.wait(now())) < 1e-3, `${taken.wait} ${refusing.wait(now())}`);
            return undefined;
          }
          const tried = all.filter((model) => model.pass(asked.id, now())).length;
          assert.deepEqual(taken, { kind: 'taken', isProbe: tried > 0 });
          return asked;
        };
        const end = async (asked: Watch, what: Seen | undefined, by: number): Promise<void> => {
          const expected = modelsOf(asked).flatMap((model) => {
            const to = model.observe(asked.id, what, now());
            return to === undefined ? [] : [[model.level.key, to]];
          });
          const turned = await (stores[by] as StateStore).observe(asked, what);
          assert.deepEqual(
            turned.map(({ key, to }) => [key, to]),
            expected,
          );
          for (const [, to] of expected) reached.add(to ?? '');
        };
        for (const [at, one] of commands.entries()) {
          const by = (at + parity) % 2;
          if ('times' in one)
            for (let call = 0; call < one.times; call++) {
              const asked = await begin(one.who, by);
              if (asked !== undefined) await end(asked, one.seen, 1 - by);
            }
          else if ('who' in one) {
            const asked = await begin(one.who, by);
            if (asked !== undefined) running.push(asked);
          } else if (one.kind === 'end') {
            const asked = running.shift();
            if (asked !== undefined) await end(asked, 'seen' in one ? one.seen : undefined, by);
          } else if ('ms' in one && one.kind === 'pass') await pass(one.ms);
          else if ('ms' in one) {
            step(one.ms);
            await pass(1);
          }
        }
      }),
      { numRuns: 30, examples: [[OPENED_AND_CLOSED, 0]] },
    );
    assert.deepEqual([...reached].sort(), ['closed', 'open', 'taken']);
  });

  test(`${name}: one caller, or one tenant, whose calls all fail switches the tool off for himself, and for nobody else`, {
    skip,
  }, async (t) => {
    verifies('limits.breaker');
    const { stores } = await (await open(t))();
    const { burst } = tool(stores);
    assert.deepEqual(await burst('evil', 'eve', 100, FAULT), { passed: 20, turned: ['open "evil","eve"'] });
    assert.deepEqual(await burst('evil', 'eva', 100, FAULT), { passed: 5, turned: ['open "evil",null'] });
    assert.equal((await burst('evil', 'adam', 10, GOOD)).passed, 0);
    // One bad moment of another's does not make all of that his.
    assert.equal((await burst('good', 'alice', 12, GOOD)).passed, 12);
    assert.deepEqual(await burst('good', 'alice', 1, FAULT), { passed: 1, turned: [] });
    assert.equal((await burst('good', 'alice', 100, GOOD)).passed, 100);
    assert.equal((await burst('other', 'bob', 100, GOOD)).passed, 100);
  });

  test(`${name}: what fails for two tenants is off for all; one probe at a time tries it, and the first good one closes it`, {
    skip,
  }, async (t) => {
    verifies('limits.breaker');
    const { stores, pass, step } = await (await open(t))();
    const { watch, take, burst } = tool(stores);
    assert.deepEqual(await burst('a', 'one', 15, SLOW), { passed: 15, turned: [] });
    assert.deepEqual(await burst('b', 'two', 15, SLOW), { passed: 5, turned: ['open null,null'] });
    for (const ms of [60 * MINUTE, -60 * MINUTE, -60 * MINUTE, 60 * MINUTE]) {
      step(ms);
      assert.equal((await burst('c', 'three', 1, GOOD)).passed, 0, 'a clock that is set opens no breaker');
    }
    await pass(5 * MINUTE - 10);
    assert.equal((await burst('c', 'three', 1, GOOD)).passed, 0);
    await pass(20);
    const [first, others] = [watch('c', 'three'), Array.from({ length: 20 }, (_, at) => watch('d', `${at}`))];
    assert.deepEqual(await take(first, 0), { kind: 'taken', isProbe: true });
    for (const [at, one] of others.entries()) assert.equal((await take(one, at % 2)).kind, 'open');
    // Nobody knows what came of it: the next one tries.
    assert.deepEqual(await stores[1].observe(first, undefined), []);
    const second = watch('d', 'four');
    assert.deepEqual(await take(second, 1), { kind: 'taken', isProbe: true });
    assert.deepEqual(await stores[0].observe(second, FAULT), []);
    await pass(4 * MINUTE);
    assert.equal((await burst('c', 'three', 1, GOOD)).passed, 0, 'it was tried, and stays open for five minutes more');
    await pass(MINUTE + 1);
    // The gateway of the third dies with it.
    const third = watch('c', 'three');
    assert.deepEqual(await take(third, 0), { kind: 'taken', isProbe: true });
    await pass(2 * MINUTE - 1);
    assert.equal((await take(watch('c', 'three'), 1)).kind, 'open');
    await pass(1);
    assert.deepEqual(await burst('c', 'three', 1, GOOD), { passed: 1, turned: ['closed null,null'] });
    assert.deepEqual(await stores[0].observe(third, FAULT), [], 'what came of it is no news of the closed one');
    assert.equal((await burst('a', 'one', 30, GOOD)).passed, 30);
  });

  test(`${name}: fewer than twenty calls, few slow or failed ones, and those of a minute ago open nothing`, {
    skip,
  }, async (t) => {
    verifies('limits.breaker');
    const { stores, pass } = await (await open(t))();
    const { burst } = tool(stores);
    assert.deepEqual((await burst('a', 'one', 10, FAULT)).turned, []);
    assert.deepEqual((await burst('b', 'two', 9, FAULT)).turned, []);
    await pass(MINUTE);
    assert.deepEqual((await burst('a', 'one', 10, FAULT)).turned, []);
    await pass(MINUTE);
    assert.deepEqual((await burst('a', 'one', 180, GOOD)).turned, []);
    assert.deepEqual((await burst('b', 'two', 20, GOOD)).turned, []);
    for (const [tenant, subject] of [
      ['a', 'one'],
      ['b', 'two'],
    ] as const)
      assert.deepEqual((await burst(tenant, subject, 1, SLOW)).turned, []);
  });
}
