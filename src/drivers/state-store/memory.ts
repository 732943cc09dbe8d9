import { type Spent, type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import { TokenBuckets } from '../../contract/token-buckets.ts';
import { Breakers } from './memory/breakers.ts';
import { Ledger } from './memory/ledger.ts';
import { MemoryRecords } from './memory/records.ts';

/** Keys that are held at most; some 100 bytes each. */
const BOUND = 500_000;
/** Milliseconds of the steady clock whose keys are forgotten together. */
const SLOT = 10_000;

export interface MemorySettings {
  /** Keys of `once` that are held at most. */
  readonly bound?: number;
  /** Milliseconds since whenever; never goes back or jumps. */
  readonly steady?: () => number;
  readonly spent?: readonly Spent[];
}

/**
 * The state of one gateway process, lost with it. When it is full nothing is forgotten before its time: whoever could
 * fill it would choose what is.
 * @param now milliseconds since the epoch
 */
export function memoryStore(
  now: () => number,
  { bound = BOUND, steady = () => performance.now(), spent = [] }: MemorySettings = {},
): StateStore {
  const until = new Map<string, number>();
  /** Keys by the end of their time, so that forgetting costs no search. */
  const slots = new Map<number, string[]>();
  let current = 0;
  const buckets = new TokenBuckets();
  const ledger = new Ledger(now, spent);
  const breakers = new Breakers();

  const forget = (time: number): void => {
    current = time;
    for (const [slot, keys] of slots) {
      if ((slot + 1) * SLOT > time) continue;
      slots.delete(slot);
      for (const key of keys) if ((until.get(key) ?? time) <= time) until.delete(key);
    }
  };
  return {
    async once(key, ttl) {
      const time = steady();
      if ((until.get(key) ?? time) > time) return false;
      if (until.size >= bound || time >= current + SLOT) forget(time);
      if (until.size >= bound) throw new StateUnavailable(`${bound} keys are held, and none has had its time`);
      until.set(key, time + ttl);
      const slot = Math.floor((time + ttl) / SLOT);
      const others = slots.get(slot);
      if (others === undefined) slots.set(slot, [key]);
      else others.push(key);
      return true;
    },
    async take(demand) {
      const { watch, reserve } = demand;
      const time = steady();
      const lacking = buckets.lacking(demand, time);
      if (lacking !== undefined) return { kind: 'rate', ...lacking };
      const open = watch && breakers.refusal(watch, time);
      if (open !== undefined) return { kind: 'open', ...open };
      buckets.takeAll(demand, time);
      const short = reserve && ledger.reserve(reserve);
      if (short !== undefined) return { kind: 'budget', ...short };
      return { kind: 'taken', isProbe: watch !== undefined && breakers.pass(watch, time) };
    },
    async settle(settlement) {
      return ledger.settle(settlement);
    },
    records: new MemoryRecords(steady),
    async observe(watch, seen) {
      return breakers.observe(watch, seen, steady());
    },
    async close() {
      until.clear();
      slots.clear();
    },
  };
}
