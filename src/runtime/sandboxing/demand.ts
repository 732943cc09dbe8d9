const LEAST = 2;
const MOST = 8;
/** Milliseconds in which an arrival loses all but a third (1/e) of its weight. */
const MEMORY = 20_000;
/** Arrivals come in clusters: more than their mean is kept ready. */
const HEADROOM = 1.5;
/** Weight of the newest start in what a start takes. */
const NEWEST = 0.2;

/**
 * How many idle sandboxes one server should have: as many as calls arrive while one is being made (Little's law,
 * L = λW), and some more. Costs one exponential a call.
 */
export class Demand {
  readonly #now: () => number;
  /** Calls a millisecond, as of `#at`. */
  #rate = 0;
  #at: number;
  /** Milliseconds that a start takes. */
  #making = 100;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
    this.#at = now();
  }

  arrived(): void {
    this.#rate = this.#faded() + 1 / MEMORY;
    this.#at = this.#now();
  }

  /** @param ms from the beginning of a start to a sandbox that is ready, waiting for its turn included */
  made(ms: number): void {
    this.#making += NEWEST * (ms - this.#making);
  }

  get target(): number {
    return Math.min(MOST, Math.max(LEAST, Math.ceil(this.#faded() * this.#making * HEADROOM)));
  }

  #faded(): number {
    // A clock that was set back makes nothing of the past louder.
    return this.#rate * Math.exp(-Math.max(0, this.#now() - this.#at) / MEMORY);
  }
}
