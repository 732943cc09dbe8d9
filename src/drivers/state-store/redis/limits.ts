import { BREAKER, type Seen, type Turned, type Watch } from '../../../contract/breaker.ts';
import {
  type Bucket,
  type Demand,
  FAIR_SLOT,
  type Reservation,
  type Settlement,
  type Spending,
  type Taken,
  WARNINGS,
} from '../../../contract/limits.ts';
import { type Spent, StateUnavailable } from '../../../contract/state-store.ts';
import { allOf } from '../../../contract/token-buckets.ts';
import { Allowance } from './allowance.ts';
import { breakerKeys, evidenceText, OpenBreakers, observed, turnedBy } from './breakers.ts';
import type { Reply } from './scripts.ts';
import { CHUNK, PREFIX, type Shared } from './shared.ts';

/** Reservations of calls that are in flight, or whose settlement waits for the store: more are not made. */
const MOST = 10_000;
/** Settlements that are on their way to the store at a time: each has to be answered within a second. */
const AT_ONCE = 100;
/** Settlements that the store need not remember any more, and is told so with one other. */
const FORGOTTEN = 100;

interface Waiting {
  readonly settlement: Settlement;
  /** Nobody knows whether it was reserved: the answer was lost, and the demand may still be on its way. */
  readonly inDoubt: boolean;
  /** It was asked before, and no answer was heard. */
  isUnheard: boolean;
  readonly resolve: (reached: readonly Spending[]) => void;
}

/** Limits and budgets in Redis. What this process knows of them, it gives back to a server that has lost it. */
export class RedisLimits {
  readonly #shared: Shared;
  /** What the store calls a bucket or a budget. */
  readonly #name: (key: string) => string;
  readonly #spent = new Map<string, Omit<Spent, 'key'>>();
  readonly #held = new Map<string, Reservation>();
  readonly #waiting = new Map<string, Waiting>();
  /** Settlements whose answers have been heard. */
  readonly #heard: string[] = [];
  readonly #allowance = new Allowance();
  readonly #open = new OpenBreakers();

  constructor(shared: Shared, name: (key: string) => string, known: readonly Spent[]) {
    this.#shared = shared;
    this.#name = name;
    for (const { key, spent, until } of known) this.#spent.set(key, { spent, until });
    shared.join(
      () => this.#restore(),
      () => this.#sendAll(),
    );
  }

  async take(demand: Demand): Promise<Taken> {
    // What is spent must be remembered until the store has heard of it.
    if (demand.reserve !== undefined && this.#held.size >= MOST)
      throw new StateUnavailable(`${MOST} settlements wait for the store`);
    try {
      await this.#shared.demand();
    } catch (error) {
      if (demand.away === undefined) throw error;
      return this.#takeHere(demand, demand.away);
    }
    const { shared, watch, reserve } = demand;
    const buckets = allOf(demand);
    const breakers = breakerKeys(PREFIX, this.#name, watch);
    const lists = [this.#of('held'), this.#of('over')];
    const keys = [...lists, ...buckets.map(({ key }) => this.#bucketKey(key)), ...breakers];
    const args = [
      ...[buckets.length, shared === undefined ? 0 : 1, FAIR_SLOT],
      ...[breakers.length, watch?.id ?? '', BREAKER.probe],
      ...buckets.flatMap(rateOf),
    ];
    const taken = (reply: Reply): Taken => {
      const told = verdict(reply, demand, buckets);
      if (told.kind === 'open') this.#open.learn(told.key, told.wait, String(reply[3] ?? '0 0 0'));
      return told;
    };
    if (reserve === undefined) return taken(await this.#shared.ask('take', keys, args));
    keys.push(...reserve.budgets.map(({ key }) => this.#budgetKey(key)));
    const reservation = [reserve.id, this.#recordOf(reserve), reserve.amount];
    const bounds = reserve.budgets.flatMap(({ limit, ttl }) => [limit, ttl]);
    this.#held.set(reserve.id, reserve);
    try {
      const told = taken(await this.#shared.ask('take', keys, [...args, ...reservation, ...bounds]));
      if (told.kind !== 'taken') this.#held.delete(reserve.id);
      return told;
    } catch (error) {
      // When the store can tell again, it is not reserved any more.
      void this.#settle({ ...reserve, actual: 0 }, true);
      throw error;
    }
  }

  settle(settlement: Settlement): Promise<readonly Spending[]> {
    this.#allowance.cost(settlement, settlement.actual);
    return this.#settle(settlement, false);
  }

  /** @throws StateUnavailable */
  async observe(watch: Watch, seen: Seen | undefined): Promise<readonly Turned[]> {
    await this.#shared.demand();
    const keys = breakerKeys(PREFIX, this.#name, watch);
    const turned = turnedBy(watch, await this.#shared.ask('observe', keys, observed(this.#name, watch, seen)));
    for (const { key, to, evidence } of turned)
      if (to === 'open') this.#open.learn(key, BREAKER.open, evidenceText(evidence));
    return turned;
  }

  #settle(settlement: Settlement, inDoubt: boolean): Promise<readonly Spending[]> {
    return new Promise((resolve) => {
      this.#waiting.set(settlement.id, { settlement, inDoubt, isUnheard: false, resolve });
      if (!this.#shared.isAway) void this.#send(settlement.id).catch(() => undefined);
    });
  }

  /** While the store is away: within this gateway's own allowance. The store hears of it when it is back. */
  #takeHere(demand: Demand, away: NonNullable<Demand['away']>): Taken {
    const taken = this.#allowance.take(demand, away, (key) => this.#spent.get(key)?.spent ?? 0);
    if (taken.kind === 'taken' && demand.reserve !== undefined) this.#held.set(demand.reserve.id, demand.reserve);
    return taken;
  }

  async #sendAll(): Promise<void> {
    const all = [...this.#waiting.keys()];
    for (let at = 0; at < all.length; at += AT_ONCE)
      await Promise.all(all.slice(at, at + AT_ONCE).map((id) => this.#send(id)));
  }

  async #send(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { settlement, inDoubt } = waiting;
    const { amount, actual, budgets } = settlement;
    const own = [this.#of('held'), this.#of('late'), this.#of('over')];
    const keys = [...own, ...budgets.map(({ key }) => this.#budgetKey(key))];
    const heard = this.#heard.splice(0, FORGOTTEN);
    const args = [id, amount, actual, ...budgets.map(({ ttl }) => ttl), ...heard];
    const [kind, ...spent] = await this.#shared.ask('settle', keys, args).catch((error: unknown) => {
      this.#heard.push(...heard);
      waiting.isUnheard = true;
      throw error;
    });
    if (kind !== 'settled' && kind !== 'before') throw new StateUnavailable(`the store answered ${String(kind)}`);
    if (!this.#waiting.delete(id)) return;
    this.#held.delete(id);
    // What is in doubt may still be on its way: the store goes on remembering that it is over.
    if (!inDoubt) this.#heard.push(id);
    const isNew = kind === 'settled' || waiting.isUnheard;
    waiting.resolve(isNew ? this.#learn(settlement, spent.map(Number)) : []);
    this.#allowance.settled(settlement);
  }

  #learn({ budgets, actual }: Settlement, totals: readonly number[]): Spending[] {
    const now = Date.now();
    return budgets.map((budget, index) => {
      const { key, limit, ttl } = budget;
      const spent = totals[index] ?? 0;
      const before = spent - actual;
      this.#spent.set(key, { spent: Math.max(spent, this.#spent.get(key)?.spent ?? 0), until: now + ttl });
      const reached = WARNINGS.findLast((percent) => before * 100 < percent * limit && spent * 100 >= percent * limit);
      return { ...budget, spent, reached };
    });
  }

  async #restore(): Promise<void> {
    const now = Date.now();
    for (const [key, { until }] of this.#spent) if (until < now) this.#spent.delete(key);
    const [spent, held] = [[...this.#spent], [...this.#held.values()]];
    for (let at = 0; at === 0 || at < Math.max(spent.length, held.length); at += CHUNK) {
      const known = spent.slice(at, at + CHUNK);
      const keys = [this.#of('held'), this.#of('over'), ...known.map(([key]) => this.#budgetKey(key))];
      const reserved = held.slice(at, at + CHUNK).flatMap((one) => [one.id, this.#recordOf(one)]);
      const args = [...known.flatMap(([, { spent: amount, until }]) => [amount, until - now]), ...reserved];
      await this.#shared.restore('restore', keys, args);
    }
    const open = this.#open.all;
    const keys = open.map(({ key }) => `${PREFIX}breaker:${this.#name(key)}`);
    const args = open.flatMap(({ left, evidence }) => [left, evidence]);
    if (open.length > 0) await this.#shared.restore('reopen', keys, [BREAKER.forgotten, ...args]);
    await this.#repay();
  }

  async #repay(): Promise<void> {
    const { owed } = this.#allowance;
    if (owed === undefined) return;
    const keys = [`${PREFIX}mark:${owed.mark}`, ...owed.debts.map(({ key }) => this.#bucketKey(key))];
    const args = owed.debts.flatMap((debt) => [...rateOf(debt), debt.taken]);
    await this.#shared.restore('repay', keys, args);
    this.#allowance.paid();
  }

  /** What gives a reservation back when its holder is dead. */
  #recordOf({ amount, budgets }: Reservation): string {
    return JSON.stringify({ amount, keys: budgets.map(({ key }) => this.#budgetKey(key)) });
  }

  /** A list of this gateway's. */
  #of(list: 'held' | 'late' | 'over'): string {
    return `${PREFIX}${list}:${this.#shared.holder}`;
  }

  #bucketKey(key: string): string {
    return `${PREFIX}bucket:${this.#name(key)}`;
  }

  #budgetKey(key: string): string {
    return `${PREFIX}budget:${this.#name(key)}`;
  }
}

function verdict(reply: Reply, { watch, reserve }: Demand, buckets: readonly Bucket[]): Taken {
  const [kind, which, first, second] = reply;
  const at = Number(which) - 1;
  if (kind === 'rate') return { kind, key: buckets[at]?.key ?? '', wait: Number(first) };
  if (kind === 'open') return { kind, key: watch?.levels[at]?.key ?? '', wait: Number(first) };
  if (kind === 'budget')
    return { kind, key: reserve?.budgets[at]?.key ?? '', spent: Number(first), held: Number(second) };
  if (kind === 'taken') return { kind, isProbe: Number(which) > 0 };
  throw new StateUnavailable(`the store answered ${String(kind)}`);
}

function rateOf({ interval, burst }: Bucket): [number, number] {
  return [interval, burst];
}
