/** What the replicas of a gateway must agree on. Exactly one. */
export interface StateStore {
  /**
   * Whether this is the first time that anybody who shares the store names `key`; it stays named for `ttl` milliseconds.
   * Of any number that ask at once, one is told so.
   * @throws StateUnavailable when the store cannot tell: then nobody knows, and what depends on it must not happen
   */
  once(key: string, ttl: number): Promise<boolean>;
  close(): Promise<void>;
}

/** The message is for the log. */
export class StateUnavailable extends Error {}
