/** Answers by their whole question; the least recently used goes first. */
export class ExactCache<V> {
  readonly #entries = new Map<string, V>();
  readonly #max: number;
  readonly #maxKey: number;

  /** @param max entries; @param maxKey length of a key in UTF-16 code units: longer questions are not kept */
  constructor(max: number, maxKey: number) {
    this.#max = max;
    this.#maxKey = maxKey;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    if (key.length > this.#maxKey || this.#max === 0) return;
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
