import type { Clock } from '../contract/clock.ts';

/** The machine's time; no timer keeps a process alive. */
export const clock: Clock = {
  now: Date.now,
  setTimer: (run, ms) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
