const HOUR = 60 * 60_000;

/** How much that is new one gateway may tell zone 0 in an hour: one that is taken over fills no disk, and pages nobody all night. */
export class HourlyShare {
  readonly #most: number;
  readonly #now: () => number;
  readonly #told: (isExceeded: boolean) => void;
  #began = Number.NEGATIVE_INFINITY;
  #used = 0;

  /**
   * @param now milliseconds; of a clock that nobody sets
   * @param told when it is exceeded, once an hour, and when it is not any more
   */
  constructor(most: number, now: () => number, told: (isExceeded: boolean) => void) {
    this.#most = most;
    this.#now = now;
    this.#told = told;
  }

  /** @returns those that it has room for, the first first */
  admit<T>(all: readonly T[]): readonly T[] {
    const now = this.#now();
    if (now >= this.#began + HOUR) {
      if (this.#used > this.#most) this.#told(false);
      [this.#began, this.#used] = [now, 0];
    }
    const left = Math.max(0, this.#most - this.#used);
    const wasWithin = this.#used <= this.#most;
    this.#used += all.length;
    if (wasWithin && this.#used > this.#most) this.#told(true);
    return all.slice(0, left);
  }
}
