export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs it once after `ms` milliseconds, unless what is given back is called before. */
  setTimer(run: () => void, ms: number): () => void;
}
