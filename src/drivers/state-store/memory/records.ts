import { type Kept, RECORD_LIFE, type Records, StateUnavailable } from '../../../contract/state-store.ts';

interface Entry extends Kept {
  /** Milliseconds of the steady clock. */
  readonly until: number;
}

/** Records that are held at most; those whose time is over are looked for when it is full. */
const BOUND = 100_000;

/** Records of one process, which nobody else reads. */
export class MemoryRecords implements Records {
  readonly #steady: () => number;
  readonly #entries = new Map<string, Entry>();
  #writings = 0;

  /** @param steady milliseconds since whenever; never goes back or jumps */
  constructor(steady: () => number) {
    this.#steady = steady;
  }

  async read(kind: string, id: string): Promise<Kept | undefined> {
    return this.#find(keyOf(kind, id));
  }

  async write(kind: string, id: string, text: string, ttl: number, over?: Kept | null): Promise<boolean> {
    if (!(ttl > 0 && ttl <= RECORD_LIFE)) throw new RangeError(`a record of ${ttl} ms`);
    const key = keyOf(kind, id);
    const there = this.#find(key);
    if (over !== undefined && there?.seen !== over?.seen) return false;
    if (there === undefined) this.#demandRoom();
    this.#entries.set(key, { text, seen: String(++this.#writings), until: this.#steady() + ttl });
    return true;
  }

  async remove(kind: string, id: string): Promise<void> {
    this.#entries.delete(keyOf(kind, id));
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > this.#steady() ? entry : undefined;
  }

  #demandRoom(): void {
    if (this.#entries.size < BOUND) return;
    const now = this.#steady();
    for (const [key, { until }] of this.#entries) if (until <= now) this.#entries.delete(key);
    if (this.#entries.size >= BOUND) throw new StateUnavailable(`${BOUND} records are held, and none has had its time`);
  }
}

function keyOf(kind: string, id: string): string {
  return JSON.stringify([kind, id]);
}
