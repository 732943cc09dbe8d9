import { BREAKER, type Evidence, type Seen } from '../../../contract/breaker.ts';

export type Counts = { -readonly [K in keyof Evidence]: Evidence[K] };

/** Whoever comes when enough are told apart. */
const OTHERS = ' others';

/** What came of the calls of two slots of time, by party. */
export class Window {
  #slot = Number.NEGATIVE_INFINITY;
  #current = new Map<string, Counts>();
  #before = new Map<string, Counts>();

  isOver(now: number): boolean {
    return this.#slot < slotOf(now) - 1;
  }

  add(party: string, { slow, fault }: Seen, now: number): void {
    const slot = slotOf(now);
    if (slot !== this.#slot) {
      this.#before = slot === this.#slot + 1 ? this.#current : new Map();
      this.#current = new Map();
      this.#slot = slot;
    }
    const name = this.#current.has(party) || this.#current.size < BREAKER.parties ? party : OTHERS;
    const counts = this.#current.get(name) ?? { calls: 0, slow: 0, faults: 0 };
    counts.calls++;
    if (slow) counts.slow++;
    if (fault) counts.faults++;
    this.#current.set(name, counts);
  }

  /** As of the last `add`. */
  parties(): Counts[] {
    const all = new Map([...this.#before].map(([party, counts]) => [party, { ...counts }]));
    for (const [party, { calls, slow, faults }] of this.#current) {
      const counts = all.get(party) ?? { calls: 0, slow: 0, faults: 0 };
      counts.calls += calls;
      counts.slow += slow;
      counts.faults += faults;
      all.set(party, counts);
    }
    return [...all.values()];
  }
}

function slotOf(now: number): number {
  return Math.floor(now / BREAKER.slot);
}
