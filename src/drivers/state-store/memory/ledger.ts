import {
  type Budget,
  type Reservation,
  type Settlement,
  type Spending,
  type Taken,
  WARNINGS,
} from '../../../contract/limits.ts';
import type { Spent } from '../../../contract/state-store.ts';

interface Account {
  spent: number;
  held: number;
  /** Milliseconds since the epoch. */
  until: number;
}

/** What a budget has come to, and whether that is worth a warning. */
function spending(budget: Budget, before: number, spent: number): Spending {
  const { limit } = budget;
  const reached = WARNINGS.findLast((percent) => before * 100 < percent * limit && spent * 100 >= percent * limit);
  return { ...budget, spent, reached };
}

/** Settlements after which accounts of past periods are looked for. */
const SWEEP_EVERY = 1000;

/** Budgets of one process. */
export class Ledger {
  readonly #now: () => number;
  readonly #accounts = new Map<string, Account>();
  readonly #held = new Set<string>();
  #settled = 0;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number, known: readonly Spent[]) {
    this.#now = now;
    for (const { key, spent, until } of known) this.#accounts.set(key, { spent, held: 0, until });
  }

  /** @returns the budget that does not bear it; undefined: it is reserved */
  reserve({ id, amount, budgets }: Reservation): Omit<Taken & { kind: 'budget' }, 'kind'> | undefined {
    for (const { key, limit } of budgets) {
      const { spent, held } = this.#accounts.get(key) ?? { spent: 0, held: 0 };
      if (spent + held + amount > limit) return { key, spent, held };
    }
    for (const { key, ttl } of budgets) this.#account(key, ttl).held += amount;
    this.#held.add(id);
    return undefined;
  }

  settle({ id, amount, actual, budgets }: Settlement): Spending[] {
    if (!this.#held.delete(id)) return [];
    if (++this.#settled % SWEEP_EVERY === 0) this.#sweep();
    return budgets.map((budget) => {
      const account = this.#account(budget.key, budget.ttl);
      const before = account.spent;
      account.held -= amount;
      account.spent += actual;
      return spending(budget, before, account.spent);
    });
  }

  #account(key: string, ttl: number): Account {
    const account = this.#accounts.get(key) ?? { spent: 0, held: 0, until: 0 };
    account.until = this.#now() + ttl;
    this.#accounts.set(key, account);
    return account;
  }

  #sweep(): void {
    const now = this.#now();
    for (const [key, { until, held }] of this.#accounts) if (until < now && held === 0) this.#accounts.delete(key);
  }
}
