import type { Clock } from '../../contract/clock.ts';

/** Milliseconds that a clock may have been set back and still be believed. */
const SKEW = 5 * 60_000;

/**
 * How long zone 0 has been silent, by a clock that cannot be set; what went before this process's start, by the machine's.
 */
export class Silence {
  readonly #elapsed: () => number;
  #since: number;

  /** @param elapsed milliseconds since some moment, monotonic */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
    this.#since = elapsed();
  }

  heard(): void {
    this.#since = this.#elapsed();
  }

  /**
   * A process before this one heard of zone 0 last at `at`; undefined: nobody knows. A time that lies ahead says that the
   * clock was set back since, and then nobody knows either.
   */
  broken(at: number | undefined, { now }: Pick<Clock, 'now'>): void {
    const before = at === undefined || at > now() + SKEW ? Number.POSITIVE_INFINITY : Math.max(0, now() - at);
    this.#since = this.#elapsed() - before;
  }

  /** Milliseconds. */
  get lasts(): number {
    return this.#elapsed() - this.#since;
  }
}
