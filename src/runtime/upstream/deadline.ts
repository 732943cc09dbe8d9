import { CallerFailure, UpstreamFailure } from './upstream.ts';

/** Milliseconds for which one call may wait for its client in all: a gateway that is lost must not hold a server. */
const MAX_WAIT = 10 * 60 * 1000;

/** The deadline of one call. It stands still while the server waits for the client's answer to a request of its own. */
export class Deadline {
  readonly #bound: number;
  readonly #now: () => number;
  readonly #over: (failure: UpstreamFailure) => void;
  #left: number;
  #patience = MAX_WAIT;
  #since = 0;
  #waiting = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * Runs from now on.
   * @param bound milliseconds
   * @param now milliseconds since the epoch
   */
  constructor(bound: number, now: () => number, over: (failure: UpstreamFailure) => void) {
    this.#bound = bound;
    this.#left = bound;
    this.#now = now;
    this.#over = over;
    this.#arm();
  }

  /** @param waiting whether the server waits for the client from now on */
  pause(waiting: boolean): void {
    if (waiting === this.#waiting) return;
    clearTimeout(this.#timer);
    const spent = this.#now() - this.#since;
    if (this.#waiting) this.#patience -= spent;
    else this.#left -= spent;
    this.#waiting = waiting;
    this.#arm();
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    this.#since = this.#now();
    const [ms, failure] = this.#waiting
      ? [this.#patience, new CallerFailure('isolation', `the client did not answer the server within ${MAX_WAIT} ms`)]
      : [this.#left, new UpstreamFailure('isolation', `no answer within ${this.#bound} ms`)];
    this.#timer = setTimeout(() => this.#over(failure), Math.max(0, ms));
  }
}
