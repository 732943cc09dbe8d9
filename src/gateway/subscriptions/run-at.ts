import { type Clock, LONGEST_TIMER } from '../../contract/clock.ts';

/** Runs it once at that time (milliseconds since the epoch), unless what is given back is called before. */
export function runAt(clock: Clock, time: number, run: () => void): () => void {
  let cancel: () => void;
  const arm = (): void => {
    const left = time - clock.now();
    cancel = clock.setTimer(left > LONGEST_TIMER ? arm : run, Math.max(0, Math.min(left, LONGEST_TIMER)));
  };
  arm();
  return () => cancel();
}
