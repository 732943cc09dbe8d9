interface Entry<V> {
  readonly value: V;
  readonly weight: number;
}

/**
 * What was found out, by its whole question. In two generations: when the younger one is full it becomes the older one,
 * and what nobody has asked the older one for goes. (One map with deletions costs some 10 µs a question when it is full.)
 */
export class ExactCache<V> {
  readonly #half: number;
  readonly #maxKey: number;
  readonly #gone: (value: V) => void;
  #young = new Map<string, Entry<V>>();
  #old = new Map<string, Entry<V>>();
  #weight = 0;

  /**
   * @param max sum of the entries' weights; @param maxKey length of a key in UTF-16 code units: longer questions are not kept
   * @param gone is told of each value that goes
   */
  constructor(max: number, maxKey: number, gone: (value: V) => void = () => undefined) {
    this.#half = max / 2;
    this.#maxKey = maxKey;
    this.#gone = gone;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young.value;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.#enter(key, old);
    return old.value;
  }

  /** For a key that `get` has not found. */
  set(key: string, value: V, weight = 1): void {
    if (key.length > this.#maxKey || this.#half === 0) return;
    this.#enter(key, { value, weight });
  }

  #enter(key: string, entry: Entry<V>): void {
    if (this.#weight > 0 && this.#weight + entry.weight > this.#half) {
      for (const { value } of this.#old.values()) this.#gone(value);
      [this.#old, this.#young, this.#weight] = [this.#young, new Map(), 0];
    }
    this.#young.set(key, entry);
    this.#weight += entry.weight;
  }
}
