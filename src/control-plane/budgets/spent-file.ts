import { join } from 'node:path';
import { z } from 'zod';
import type { Spending } from '../../contract/limits.ts';
import type { Spent } from '../../contract/state-store.ts';
import { readSecret, replaceFile, StateError } from '../pki/state-files.ts';

const account = z.strictObject({
  key: z.string().min(1),
  spent: z.int().min(0),
  limit: z.int().min(0),
  until: z.int(),
});
const stored = z.array(account);

/** A budget, and what it has come to; micro-dollars. */
export type Account = z.output<typeof account> & Spent;

/** Milliseconds in which what comes is written once: so much is lost with a whole machine. */
const WRITE_AFTER = 500;
/** Milliseconds after which is tried again what could not be written. */
const AGAIN = 10_000;

/** What budgets have come to, kept across restarts: a month is longer than a process. */
export class SpentFile {
  readonly #file: string;
  readonly #now: () => number;
  readonly #accounts: Map<string, Account>;
  readonly #fault: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param fault is told of what could not be written; it will be
   * @throws StateError when the file cannot be understood
   */
  constructor(stateDir: string, now: () => number, fault: (error: unknown) => void) {
    this.#file = join(stateDir, 'budgets.json');
    this.#now = now;
    this.#fault = fault;
    this.#accounts = new Map(read(this.#file).map((one) => [one.key, one]));
  }

  /** Budgets whose time is not over. */
  current(): readonly Account[] {
    return [...this.#accounts.values()].filter(({ until }) => until > this.#now());
  }

  knows({ key }: Spending): boolean {
    return this.#accounts.has(key);
  }

  add(spendings: readonly Spending[]): void {
    for (const { key, spent, limit, ttl } of spendings) {
      const before = this.#accounts.get(key)?.spent ?? 0;
      this.#accounts.set(key, { key, spent: Math.max(spent, before), limit, until: this.#now() + ttl });
    }
    this.#later(WRITE_AFTER);
  }

  /** Writes what waits. @throws Error of the file system */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [key, { until }] of this.#accounts) if (until <= this.#now()) this.#accounts.delete(key);
    replaceFile(this.#file, `${JSON.stringify([...this.#accounts.values()])}\n`);
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      try {
        this.flush();
      } catch (error) {
        this.#fault(error);
        this.#later(AGAIN);
      }
    }, ms);
  }
}

function read(file: string): Account[] {
  const text = readSecret(file);
  if (text === undefined) return [];
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // An unreadable list must not become an empty one: everything could be spent anew.
    throw new StateError(`${file} is not a list of budgets; restore it, or remove it to begin with nothing spent`);
  }
}
