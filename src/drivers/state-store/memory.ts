import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';

/** Keys that are held at most; some 100 bytes each. */
const BOUND = 500_000;
/** Milliseconds of the clock whose keys are forgotten together. */
const SLOT = 10_000;

/**
 * The state of one gateway process, lost with it. When it is full nothing is forgotten before its time: whoever could
 * fill it would choose what is.
 * @param now milliseconds since the epoch
 */
export function memoryStore(now: () => number, bound = BOUND): StateStore {
  const until = new Map<string, number>();
  /** Keys by the end of their time, so that forgetting costs no search. */
  const slots = new Map<number, string[]>();
  let current = 0;

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
      const time = now();
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
    async close() {
      until.clear();
      slots.clear();
    },
  };
}
