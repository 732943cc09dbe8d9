import { type Bucket, type Demand, FAIR_SLOT } from './limits.ts';

type Asked = Pick<Demand, 'own' | 'shared' | 'further'>;

/** Doubles of one bucket: when it is full again, and for fairness a slot, a count in it, and the count of the one before. */
const COLUMNS = 4;
const FULL_AT = 0;
const SLOT = 1;
const COUNT = 2;
const BEFORE = 3;
/** Buckets that each look-up checks for having become full, which is what one that is not there counts as. */
const SWEPT = 2;

/** Token buckets by key, some 130 bytes each. A bucket that is full again is forgotten. */
export class TokenBuckets {
  readonly #rows = new Map<string, number>();
  #keys: (string | undefined)[] = [];
  #cells = new Float64Array(64 * COLUMNS);
  readonly #free: number[] = [];
  #cursor = 0;

  get size(): number {
    return this.#rows.size;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  /** The bucket that has no token for it, and milliseconds until it has. Takes none. */
  lacking(asked: Asked, now: number): { readonly key: string; readonly wait: number } | undefined {
    const { own, shared } = asked;
    let longest = { key: own.key, wait: 0 };
    for (const bucket of allOf(asked)) {
      const wait = this.wait(bucket, now);
      if (wait > longest.wait) longest = { key: bucket.key, wait };
    }
    if (longest.wait === 0 && shared !== undefined) longest = { key: shared.key, wait: this.unfair(own, shared, now) };
    return longest.wait > 0 ? longest : undefined;
  }

  /** Takes one of each; none of them is `lacking`. */
  takeAll(asked: Asked, now: number): void {
    for (const bucket of allOf(asked)) this.take(bucket, now);
    if (asked.shared !== undefined) this.countFair(asked.own, asked.shared, now);
  }

  /** Milliseconds until a token is there; 0: one is. Takes none. @param now milliseconds, never less than before */
  wait({ key, interval, burst }: Bucket, now: number): number {
    const row = this.#rows.get(key);
    if (row === undefined) return 0;
    return Math.max(0, this.#cell(row, FULL_AT) - now - (burst - 1) * interval);
  }

  take({ key, interval }: Bucket, now: number): void {
    this.#sweep(now);
    const row = this.#row(key);
    this.#set(row, FULL_AT, Math.max(this.#cell(row, FULL_AT), now) + interval);
  }

  /** Milliseconds until `own` may have of `shared` what fairness leaves it; 0: now. */
  unfair(own: Bucket, shared: Bucket, now: number): number {
    const row = this.#rows.get(shared.key);
    if (row === undefined) return 0;
    const used = Math.max(0, this.#cell(row, FULL_AT) - now) / shared.interval;
    if (used * 2 <= shared.burst) return 0;
    const slot = Math.floor(now / FAIR_SLOT);
    const mine = this.#countIn(slot, this.#rows.get(own.key));
    const callers = Math.max(this.#countIn(slot, row) + (mine === 0 ? 1 : 0), this.#countBefore(slot, row));
    const part = Math.max(1, Math.floor(FAIR_SLOT / shared.interval / callers));
    return mine === 0 ? 0 : Math.max(0, Math.min(mine / part, 1) * FAIR_SLOT - (now - slot * FAIR_SLOT));
  }

  /** Remembers that `own` has taken of `shared`; both are there. */
  countFair(own: Bucket, shared: Bucket, now: number): void {
    const slot = Math.floor(now / FAIR_SLOT);
    if (this.#count(slot, this.#row(own.key)) === 1) this.#count(slot, this.#row(shared.key));
  }

  #countIn(slot: number, row: number | undefined): number {
    return row !== undefined && this.#cell(row, SLOT) === slot ? this.#cell(row, COUNT) : 0;
  }

  #countBefore(slot: number, row: number): number {
    if (this.#cell(row, SLOT) === slot) return this.#cell(row, BEFORE);
    return this.#countIn(slot - 1, row);
  }

  #count(slot: number, row: number): number {
    const [count, before] = [this.#countIn(slot, row) + 1, this.#countBefore(slot, row)];
    this.#set(row, SLOT, slot);
    this.#set(row, COUNT, count);
    this.#set(row, BEFORE, before);
    return count;
  }

  #row(key: string): number {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#free.pop() ?? this.#keys.length;
    if ((row + 1) * COLUMNS > this.#cells.length) {
      const cells = new Float64Array(this.#cells.length * 2);
      cells.set(this.#cells);
      this.#cells = cells;
    }
    this.#cells.fill(0, row * COLUMNS, (row + 1) * COLUMNS);
    this.#keys[row] = key;
    this.#rows.set(key, row);
    return row;
  }

  #sweep(now: number): void {
    for (let swept = 0; swept < SWEPT && this.#keys.length > 0; swept++) {
      this.#cursor = (this.#cursor + 1) % this.#keys.length;
      const key = this.#keys[this.#cursor];
      if (key === undefined || this.#cell(this.#cursor, FULL_AT) > now) continue;
      if (this.#cell(this.#cursor, SLOT) >= Math.floor(now / FAIR_SLOT) - 1) continue;
      this.#rows.delete(key);
      this.#keys[this.#cursor] = undefined;
      this.#free.push(this.#cursor);
    }
  }

  #cell(row: number, column: number): number {
    return this.#cells[row * COLUMNS + column] ?? 0;
  }

  #set(row: number, column: number, value: number): void {
    this.#cells[row * COLUMNS + column] = value;
  }
}

/** The buckets of a demand, in the order in which they are named. */
export function allOf({ own, shared, further }: Asked): readonly Bucket[] {
  return shared === undefined ? [own, ...further] : [own, shared, ...further];
}
