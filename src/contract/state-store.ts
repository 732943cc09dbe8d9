import type { Seen, Turned, Watch } from './breaker.ts';
import type { Demand, Settlement, Spending, Taken } from './limits.ts';
import type { Mail } from './mail.ts';

/** What the replicas of a gateway must agree on. Exactly one. */
export interface StateStore {
  /**
   * Whether this is the first time that anybody who shares the store names `key`; it stays named for `ttl` milliseconds.
   * Of any number that ask at once, one is told so.
   * @throws StateUnavailable when the store cannot tell: then nobody knows, and what depends on it must not happen
   */
  once(key: string, ttl: number): Promise<boolean>;
  /**
   * Takes tokens, asks the breakers and reserves money, in one step that nobody comes between. Its time is one that does not jump: a clock
   * that is set gives no tokens and takes none. What is reserved is given back when its holder dies.
   * @throws StateUnavailable when the store cannot tell: the call must not happen
   */
  take(demand: Demand): Promise<Taken>;
  /**
   * Turns what was reserved into what was spent, once, however often it is asked. Resolves when it is done, which may be
   * after the store was away.
   */
  settle(settlement: Settlement): Promise<readonly Spending[]>;
  /**
   * Tells the breakers what came of a call that they let through. Of all who share the store, one is told of each turn.
   * @param seen undefined: nobody knows; one that was a probe is given to the next
   * @throws StateUnavailable: it never learns that
   */
  observe(watch: Watch, seen: Seen | undefined): Promise<readonly Turned[]>;
  readonly records: Records;
  /** Absent where one process is all there is. */
  readonly mail?: Mail;
  close(): Promise<void>;
}

/**
 * What replicas keep for each other, a day at most. Where it leaves the process it is sealed: whoever reads the store
 * learns how many records there are, how long they are and when they change, and nothing that is in them or in their names.
 */
export interface Records {
  /** @throws StateUnavailable */
  read(kind: string, id: string): Promise<Kept | undefined>;
  /**
   * @param ttl milliseconds, `RECORD_LIFE` at most
   * @param over what is to be replaced, as it was read; null: nothing; absent: whatever is there
   * @returns false where somebody had written meanwhile: then nothing is written
   * @throws StateUnavailable
   */
  write(kind: string, id: string, text: string, ttl: number, over?: Kept | null): Promise<boolean>;
  /** @throws StateUnavailable */
  remove(kind: string, id: string): Promise<void>;
  /**
   * Has records written that a store may have lost which was away or emptied, before anybody is let through by it again.
   * Absent: it loses nothing that its process does not lose, too.
   */
  refill?(write: (records: Omit<Records, 'refill'>) => Promise<void>): void;
}

export interface Kept {
  readonly text: string;
  /** Which writing of it this is. */
  readonly seen: string;
}

/** Milliseconds: so long a key that records are sealed with is taken, and once more as long it opens them. */
export const RECORD_LIFE = 24 * 60 * 60 * 1000;

/** Seals records; 32 random bytes, base64url. */
export interface SealKey {
  readonly id: string;
  readonly key: string;
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
