/** Milliseconds between two looks. */
const TICK = 25;

/** Something that waits, with a deadline of its own. */
export interface Watched {
  /** @param now as `Watch.now` */
  check(now: number): void;
}

/**
 * Looks after everything that waits, forty times a second, instead of a timer and an abort listener for each: those two
 * cost a short call more than the rest of its bookkeeping.
 */
export class Watch {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;
  #now = 0;

  /** Milliseconds of a monotonic clock, at most one tick old. */
  get now(): number {
    return this.#timer === undefined ? performance.now() : this.#now;
  }

  /** The moment `wait` milliseconds from now; never too early. */
  after(wait: number): number {
    return this.now + TICK + wait;
  }

  get size(): number {
    return this.#watched.size;
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    if (this.#timer !== undefined) return;
    this.#now = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK).unref();
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #tick(): void {
    this.#now = performance.now();
    for (const one of this.#watched) one.check(this.#now);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
