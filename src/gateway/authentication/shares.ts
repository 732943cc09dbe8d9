/** Proofs of one key that are remembered at a time, roughly: a fifth of what the memory store holds. */
const MOST = 100_000;
interface Share {
  /** Milliseconds since the epoch. */
  readonly until: number;
  used: number;
}

/** How much of the store of used proofs each key has taken: none can take so much that the others are kept out. */
export class Shares {
  readonly #length: number;
  readonly #most: number;
  /** In the order of their end. */
  readonly #byKey = new Map<string, Share>();

  /** @param length milliseconds that a proof is remembered */
  constructor(length: number, most = MOST) {
    this.#length = length;
    this.#most = most;
  }

  /** @returns false: the key has had its share for now */
  take(key: string, now: number): boolean {
    const known = this.#byKey.get(key);
    if (known !== undefined && now < known.until) return ++known.used <= this.#most;
    for (const [old, { until }] of this.#byKey) {
      if (until > now) break;
      this.#byKey.delete(old);
    }
    this.#byKey.set(key, { until: now + this.#length, used: 1 });
    return true;
  }
}
