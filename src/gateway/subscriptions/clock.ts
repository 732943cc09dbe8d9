export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs it once after `ms` milliseconds, unless what is given back is called before. */
  setTimer(run: () => void, ms: number): () => void;
}

/** The longest that a timer of the platform can wait. */
const LONGEST = 2 ** 31 - 1;

/** Runs it once at that time (milliseconds since the epoch), unless what is given back is called before. */
export function runAt(clock: Clock, time: number, run: () => void): () => void {
  let cancel: () => void;
  const arm = (): void => {
    const left = time - clock.now();
    cancel = clock.setTimer(left > LONGEST ? arm : run, Math.max(0, Math.min(left, LONGEST)));
  };
  arm();
  return () => cancel();
}
