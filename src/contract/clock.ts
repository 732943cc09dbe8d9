/** Time, handed in, so that nobody has to wait for it in a test. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs it once after `ms` milliseconds, unless what is given back is called before. */
  setTimer(run: () => void, ms: number): () => void;
}

/** The longest that a timer of the platform can wait, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;
