import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SessionFacts } from '../../src/contract/policy-engine.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { type Records, StateUnavailable } from '../../src/contract/state-store.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { historyUse as bundle } from '../../src/gateway/authorization/history-use.ts';
import { verifies } from '../support/verifies.ts';
import { historyUse, validated } from './calls.ts';

const LABELS = ['private', 'untrusted', 'suspected'];
const own = { asked: true, counted: false, labels: LABELS, away: false };
const { subject } = validated('alice', 'mail', 'send');
const tool = (reads: readonly string[]) => ({ reads, writes: [], step_up: false });

/** Gateways with one store, which can be emptied and away. */
function fleet(replicas = 3) {
  const clock = { now: 1_000_000 };
  const now = () => clock.now;
  const state = { store: memoryStore(now, { steady: now }), isAway: false, writes: 0, spoilt: '-' };
  const refills: ((records: Records) => Promise<void>)[] = [];
  const ask = <T>(work: (records: Records) => Promise<T>): Promise<T> =>
    state.isAway ? Promise.reject(new StateUnavailable('away')) : work(state.store.records);
  const records: Records = {
    read: (...what) => ask((store) => store.read(...what)),
    write: (...what) =>
      ask(async (store) => !what[1].includes(state.spoilt) && store.write(...what).finally(() => state.writes++)),
    remove: (...what) => ask((store) => store.remove(...what)),
    refill: (write) => refills.push(write),
  };
  const all = Array.from({ length: replicas }, () => new Histories(now, records));
  const facts = (at: number, session?: Session, use = own): SessionFacts | Promise<SessionFacts> =>
    (all[at] as Histories).judge(subject, session, use, (outcome) => ({ outcome }));
  const call = async (at: number, reads: readonly string[], session?: Session, use = own): Promise<void> =>
    (all[at] as Histories).judge(subject, session, use, () => ({
      ...{ outcome: undefined, entry: { action: 'mail/x', tool: tool(reads), approved: false } },
    }));
  const empty = async (): Promise<void> => {
    state.store = memoryStore(now, { steady: now });
    for (const refill of refills) await refill(records);
  };
  return { clock, state, call, facts, empty, all };
}

interface Session {
  readonly key: string;
  readonly ended: AbortSignal;
  readonly isTakenUp?: boolean;
}

const sessionOf = (key: string, isTakenUp = false): Session => ({
  ...{ key, ended: new AbortController().signal, isTakenUp },
});
const sorted = async (facts: SessionFacts | Promise<SessionFacts>) => [...(await facts).reads].sort();
const refused = (error: unknown) => error instanceof Refusal && error.code === 'unavailable';

test('whatever was read at whichever gateway, each next call is judged by all of it, also by a store that was emptied', async () => {
  verifies('authz.question', 'limits.fleet');
  const step = fc.oneof(
    fc.record({
      ...{ at: fc.nat(2), reads: fc.subarray(LABELS), use: fc.constantFrom(own, historyUse) },
      ms: fc.nat(50 * 60_000),
    }),
    fc.constant('emptied' as const),
    fc.record({ suspectedAt: fc.nat(2) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const { call, facts, empty, all, clock } = fleet();
      const read = new Set<string>();
      let calls = 0;
      let isExact = true;
      for (const one of steps) {
        if (one === 'emptied') await empty();
        else if ('suspectedAt' in one) {
          await all[one.suspectedAt]?.read(subject, undefined, 'suspected', own);
          read.add('suspected');
        } else {
          // Less than the hour after which it is forgotten.
          clock.now += one.ms;
          await call(one.at, one.reads, undefined, one.use);
          for (const label of one.reads) read.add(label);
          calls++;
          isExact &&= one.use.counted;
        }
        for (const at of [0, 1, 2]) assert.deepEqual(await sorted(facts(at)), [...read].sort());
        if (isExact) assert.equal((await facts(1)).calls['mail/x'] ?? 0, calls);
      }
    }),
    { numRuns: 200 },
  );
});

test('calls at once at several gateways are all counted, and what each has read is in the end known to all', async () => {
  verifies('authz.question', 'limits.fleet');
  const { call, facts } = fleet();
  await Promise.all(
    Array.from({ length: 30 }, (_, turn) => call(turn % 3, [LABELS[turn % 3] ?? ''], undefined, historyUse)),
  );
  const { calls, reads } = await facts(0);
  assert.deepEqual([calls['mail/x'], [...reads].sort()], [30, [...LABELS].sort()]);
});

test('a store that is away refuses who is judged by history; where calls may go on, everything counts as read', async () => {
  verifies('authz.default-deny', 'limits.fleet');
  const { call, facts, state, empty } = fleet();
  await call(0, ['private']);
  state.isAway = true;
  await assert.rejects(async () => facts(1), refused);
  await assert.rejects(call(1, ['untrusted'], undefined, { ...own, asked: false }), refused);
  const going = { ...own, away: true };
  assert.deepEqual(await sorted(facts(1, undefined, going)), [...LABELS].sort());
  await call(2, ['suspected'], undefined, going);
  state.isAway = false;
  await empty();
  assert.deepEqual(await sorted(facts(1)), ['private', 'suspected', 'untrusted']);
});

test('a session that is taken up has read what was written of it, and everything where nothing is left', async () => {
  verifies('authz.default-deny', 'limits.fleet');
  const { call, facts } = fleet();
  await call(0, ['private'], sessionOf('one'));
  assert.deepEqual(await sorted(facts(1, sessionOf('one', true))), ['private']);
  await call(0, [], sessionOf('none'));
  assert.deepEqual(await sorted(facts(1, sessionOf('none', true))), []);
  assert.deepEqual(await sorted(facts(1, sessionOf('two', true))), [...LABELS].sort());
  assert.deepEqual(await sorted(facts(1, sessionOf('three'))), []);
  assert.deepEqual(await sorted(facts(0)), []);
});

test('a call whose session ends before it is judged is refused, and what such a session is told is not kept for ever', async () => {
  verifies('authz.default-deny');
  const alone = new Histories(() => 0);
  for (const histories of [alone, ...fleet(1).all]) {
    const session = { key: 'over', ended: AbortSignal.abort() };
    const entry = { action: 'mail/x', tool: tool(['private']), approved: false };
    const judged = async () => histories.judge(subject, session, own, () => ({ outcome: true, entry }));
    await assert.rejects(judged, (error) => error instanceof Refusal && error.code === 'unknown-session');
    await histories.read(subject, session, 'suspected', own);
    assert.deepEqual(histories.of(subject, session).reads, []);
  }
});

test('a store that comes back is given what is remembered, without what is forgotten, whatever becomes of one of them', async () => {
  verifies('limits.fleet');
  const { call, facts, state, empty, clock } = fleet();
  await call(0, ['untrusted']);
  clock.now += 61 * 60_000;
  for (const key of ['one', 'spoilt', 'two']) await call(0, ['private'], sessionOf(key));
  state.spoilt = 'spoilt';
  await empty();
  for (const key of ['one', 'two']) assert.deepEqual(await sorted(facts(1, sessionOf(key, true))), ['private']);
  await assert.rejects(async () => facts(1, sessionOf('spoilt', true)), refused);
  assert.deepEqual(await sorted(facts(1)), []);
});

test('what nobody asks for costs no way to the store but what is news, and news are written though nobody asks for them', async () => {
  const { call, facts, state } = fleet();
  const unasked = { ...own, asked: false };
  for (const reads of [[], ['private'], ['private'], []]) await call(0, reads, undefined, unasked);
  assert.equal(state.writes, 1);
  assert.deepEqual(await sorted(facts(1)), ['private']);
});

test('policies are seen to ask for history, and for how often something was called', () => {
  const use = (file: string, text: string) => {
    const { asked, counted } = bundle({ policies: [{ file, text }], servers: [], limits: {} as never });
    return [asked, counted];
  };
  assert.deepEqual(use('a.cedar', 'permit (principal, action, resource);'), [false, false]);
  assert.deepEqual(use('a.cedar', 'forbid (…) when { context.session.reads.contains("private") };'), [true, false]);
  assert.deepEqual(use('a.cedar', 'forbid (…) when { context["session"].calls["a/b"] > 3 };'), [true, true]);
  assert.deepEqual(use('a.rego', 'deny if input.context.session[kind]'), [true, true]);
  for (const text of [
    'input.context[_].reads',
    'some known in input.context',
    'walk(input, [path, value])',
    'input[a][b]',
  ])
    assert.deepEqual(use('a.rego', `deny if ${text}`), [true, true], text);
  assert.deepEqual(use('a.rego', 'allow if input.context.ip_risk < 3'), [false, false]);
});
