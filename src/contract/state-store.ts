import type { Demand, Settlement, Spending, Taken } from './limits.ts';

/** What the replicas of a gateway must agree on. Exactly one. */
export interface StateStore {
  /**
   * Whether this is the first time that anybody who shares the store names `key`; it stays named for `ttl` milliseconds.
   * Of any number that ask at once, one is told so.
   * @throws StateUnavailable when the store cannot tell: then nobody knows, and what depends on it must not happen
   */
  once(key: string, ttl: number): Promise<boolean>;
  /**
   * Takes tokens and reserves money, in one step that nobody comes between. Its time is one that does not jump: a clock
   * that is set gives no tokens and takes none. What is reserved is given back when its holder dies.
   * @throws StateUnavailable when the store cannot tell: the call must not happen
   */
  take(demand: Demand): Promise<Taken>;
  /**
   * Turns what was reserved into what was spent, once, however often it is asked. Resolves when it is done, which may be
   * after the store was away.
   */
  settle(settlement: Settlement): Promise<readonly Spending[]>;
  close(): Promise<void>;
}

/** What was spent before, for a store that does not know it (any more). */
export interface Spent {
  readonly key: string;
  readonly spent: number;
  /** Milliseconds since the epoch, after which it means nothing. */
  readonly until: number;
}

/** The message is for the log. */
export class StateUnavailable extends Error {}
