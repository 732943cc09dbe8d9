/** Who waits, each party's in the order of arrival, and the parties in turn: a long row of one's makes no other wait. */
export class FairQueue<T> {
  /** The party whose turn it is comes first; arrival number → who waits. */
  readonly #parties = new Map<string, Map<number, T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The smallest arrival number; infinite where nobody waits. */
  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const own of this.#parties.values())
      for (const arrival of own.keys()) {
        oldest = Math.min(oldest, arrival);
        break;
      }
    return oldest;
  }

  /** How many will be taken up to one that arrives now. */
  turnOf(party: string): number {
    const own = this.#parties.get(party)?.size ?? 0;
    let before = own + 1;
    for (const [name, others] of this.#parties) if (name !== party) before += Math.min(others.size, own + 1);
    return before;
  }

  add(party: string, arrival: number, one: T): void {
    const own = this.#parties.get(party) ?? new Map<number, T>();
    this.#parties.set(party, own);
    own.set(arrival, one);
    this.#size++;
  }

  /** Takes out the one whose turn it is. */
  take(): T | undefined {
    for (const [party, own] of this.#parties)
      for (const [arrival, one] of own) {
        this.remove(party, arrival);
        if (own.size > 0) {
          this.#parties.delete(party);
          this.#parties.set(party, own);
        }
        return one;
      }
    return undefined;
  }

  /** @returns whether it was there */
  remove(party: string, arrival: number): boolean {
    const own = this.#parties.get(party);
    if (own?.delete(arrival) !== true) return false;
    this.#size--;
    if (own.size === 0) this.#parties.delete(party);
    return true;
  }

  /** Takes out all. */
  clear(): T[] {
    const all = [...this.#parties.values()].flatMap((own) => [...own.values()]);
    this.#parties.clear();
    this.#size = 0;
    return all;
  }
}
