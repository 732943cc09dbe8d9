import { randomUUID } from 'node:crypto';
import type { AwayAllowance, Bucket, Demand, Reservation, Taken } from '../../../contract/limits.ts';
import { allOf, TokenBuckets } from '../../../contract/token-buckets.ts';

/** A bucket that tokens are owed to. */
export interface Debt extends Bucket {
  taken: number;
}

/** No breaker is asked: they are in the store. */
const TAKEN: Taken = { kind: 'taken', isProbe: false };
const DAY = 24 * 60 * 60 * 1000;

/**
 * What one gateway lets through by itself while the store is away: its share of every limit, and so much money a day. It is
 * owed to the store, and never grows by the store's going away again: the share's buckets stay as they are.
 */
export class Allowance {
  /** Milliseconds of the process. */
  readonly #steady: () => number;
  readonly #now: () => number;
  readonly #buckets = new TokenBuckets();
  #debts = new Map<string, Debt>();
  #owed: { readonly mark: string; readonly debts: readonly Debt[] } | undefined;
  /** What was reserved here and the store does not know of yet, by id and by budget. */
  readonly #reserved = new Map<string, number>();
  readonly #byBudget = new Map<string, number>();
  #day = -1;
  #used = 0;

  constructor(steady: () => number = () => performance.now(), now: () => number = Date.now) {
    this.#steady = steady;
    this.#now = now;
  }

  /** @param spent what a budget had come to when the store was last heard */
  take(demand: Demand, { share, daily }: AwayAllowance, spent: (budget: string) => number): Taken {
    const { own, shared, further, reserve } = demand;
    const here = {
      own: shareOf(own, share),
      shared: shared && shareOf(shared, share),
      further: further.map((bucket) => shareOf(bucket, share)),
    };
    const empty = allOf(here).find(({ burst }) => burst < 1);
    if (empty !== undefined) return { kind: 'rate', key: empty.key, wait: empty.interval };
    const now = this.#steady();
    const lacking = this.#buckets.lacking(here, now);
    if (lacking !== undefined) return { kind: 'rate', ...lacking };
    this.#buckets.takeAll(here, now);
    for (const bucket of allOf(demand)) {
      const debt = this.#debts.get(bucket.key);
      if (debt === undefined) this.#debts.set(bucket.key, { ...bucket, taken: 1 });
      else debt.taken++;
    }
    return reserve === undefined ? TAKEN : this.#reserve(reserve, daily, spent);
  }

  /** What was reserved here turned out to cost so much. */
  cost({ id, budgets }: Reservation, actual: number): void {
    const reserved = this.#reserved.get(id);
    if (reserved === undefined) return;
    this.#reserved.set(id, actual);
    this.#used += actual - reserved;
    for (const { key } of budgets) this.#byBudget.set(key, (this.#byBudget.get(key) ?? 0) + actual - reserved);
  }

  /** The store knows of it. */
  settled({ id, budgets }: Reservation): void {
    const reserved = this.#reserved.get(id);
    if (reserved === undefined) return;
    this.#reserved.delete(id);
    for (const { key } of budgets) {
      const left = (this.#byBudget.get(key) ?? 0) - reserved;
      if (left > 0) this.#byBudget.set(key, left);
      else this.#byBudget.delete(key);
    }
  }

  /** What is owed, until it is paid. */
  get owed() {
    if (this.#owed === undefined && this.#debts.size > 0) {
      this.#owed = { mark: randomUUID(), debts: [...this.#debts.values()] };
      this.#debts = new Map();
    }
    return this.#owed;
  }

  paid(): void {
    this.#owed = undefined;
  }

  #reserve({ id, amount, budgets }: Reservation, daily: number, spent: (budget: string) => number): Taken {
    const day = Math.floor(this.#now() / DAY);
    // A clock that is set back begins no day anew.
    if (day > this.#day) [this.#day, this.#used] = [day, 0];
    if (this.#used + amount > daily)
      return {
        kind: 'budget',
        key: 'what one gateway may let be spent while the store is away',
        spent: this.#used,
        held: 0,
      };
    for (const { key, limit } of budgets) {
      const [known, here] = [spent(key), this.#byBudget.get(key) ?? 0];
      if (known + here + amount > limit) return { kind: 'budget', key, spent: known, held: here };
    }
    this.#used += amount;
    this.#reserved.set(id, amount);
    for (const { key } of budgets) this.#byBudget.set(key, (this.#byBudget.get(key) ?? 0) + amount);
    return TAKEN;
  }
}

/** A bucket that holds less than one token holds none. */
function shareOf({ key, interval, burst }: Bucket, share: number): Bucket {
  return { key, interval: interval / share, burst: Math.floor(burst * share) };
}
