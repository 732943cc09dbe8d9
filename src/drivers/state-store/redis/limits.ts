import { randomUUID } from 'node:crypto';
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
import { breakerKeys, observed, turnedBy } from './breakers.ts';
import type { Reply, Run } from './scripts.ts';

/** One hash tag: a script's keys must lie together in a cluster. */
const PREFIX = '{innerkeep}';
const CLOCK = `${PREFIX}clock`;
const HOLDERS = `${PREFIX}holders`;

const TICK = 250;
/** Milliseconds without a tick after which a holder counts as dead. */
const LEASE = 3000;
/** Milliseconds that an empty store waits for what its gateways still know: some ticks. */
const FILL = 1500;
/** Settlements that wait for the store. Each belongs to a call that was in flight. */
const WAITING = 50_000;

interface Waiting {
  readonly settlement: Settlement;
  readonly resolve: (reached: readonly Spending[]) => void;
}

export interface LimitsSettings {
  /** A wall clock to take for the server's own. */
  readonly wall?: () => number;
  readonly spent?: readonly Spent[];
  readonly fill?: number;
}

/** Limits and budgets in Redis. What this process knows of them, it gives back to a server that has lost it. */
export class RedisLimits {
  readonly #run: Run;
  /** What the store calls a bucket or a budget. */
  readonly #name: (key: string) => string;
  readonly #settings: LimitsSettings;
  readonly #holder = randomUUID();
  readonly #spent = new Map<string, Omit<Spent, 'key'>>();
  readonly #held = new Map<string, Reservation>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #epoch = '';
  #filling: Promise<void> | undefined;

  constructor(run: Run, name: (key: string) => string, settings: LimitsSettings) {
    this.#run = run;
    this.#name = name;
    this.#settings = settings;
    for (const { key, spent, until } of settings.spent ?? []) this.#spent.set(key, { spent, until });
    this.#timer = setInterval(() => void this.tick().catch(() => undefined), TICK);
    this.#timer.unref();
  }

  async take(demand: Demand): Promise<Taken> {
    const { own, shared, further, watch, reserve } = demand;
    const buckets = shared === undefined ? [own, ...further] : [own, shared, ...further];
    const breakers = breakerKeys(PREFIX, this.#name, watch);
    const keys = [CLOCK, this.#holds, ...buckets.map(({ key }) => this.#bucketKey(key)), ...breakers];
    const args: (string | number)[] = [
      ...[buckets.length, shared === undefined ? 0 : 1, FAIR_SLOT],
      ...[breakers.length, watch?.id ?? '', BREAKER.probe],
      ...buckets.flatMap(rateOf),
    ];
    if (reserve === undefined) return verdict(await this.#ask('take', keys, args), demand, buckets);
    keys.push(...reserve.budgets.map(({ key }) => this.#budgetKey(key)));
    args.push(reserve.id, this.#recordOf(reserve), reserve.amount);
    args.push(...reserve.budgets.flatMap(({ limit, ttl }) => [limit, ttl]));
    this.#held.set(reserve.id, reserve);
    try {
      const taken = verdict(await this.#ask('take', keys, args), demand, buckets);
      if (taken.kind !== 'taken') this.#held.delete(reserve.id);
      return taken;
    } catch (error) {
      // Whether it was reserved is not known: when the store can tell again, it is not any more.
      void this.settle({ ...reserve, actual: 0 });
      throw error;
    }
  }

  settle(settlement: Settlement): Promise<readonly Spending[]> {
    return new Promise((resolve) => {
      // It is given back when this process ends, and costs others nothing but room.
      if (this.#waiting.size >= WAITING) return resolve([]);
      this.#waiting.set(settlement.id, { settlement, resolve });
      void this.#send(settlement.id).catch(() => undefined);
    });
  }

  async observe(watch: Watch, seen: Seen | undefined): Promise<readonly Turned[]> {
    const keys = [CLOCK, ...breakerKeys(PREFIX, this.#name, watch)];
    return turnedBy(watch, await this.#ask('observe', keys, observed(this.#name, watch, seen)));
  }

  /** Moves the store's clock, lives, and sends what waits. Tells whether calls can be let in. */
  async tick(): Promise<boolean> {
    const [, ready] = await this.#ask('tick', [CLOCK, HOLDERS], [this.#holder, LEASE]);
    await Promise.all([...this.#waiting.keys()].map((id) => this.#send(id)));
    return ready === 1;
  }

  /** Resolves when the store has been given the time to know what its gateways know. */
  async ready(): Promise<void> {
    await this.#fill();
    while (!(await this.tick())) await new Promise((resolve) => setTimeout(resolve, TICK));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get #holds(): string {
    return `${PREFIX}held:${this.#holder}`;
  }

  get #wall(): string | number {
    return this.#settings.wall?.() ?? '';
  }

  async #send(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { amount, actual, budgets } = waiting.settlement;
    const keys = [
      CLOCK,
      this.#holds,
      `${PREFIX}late:${this.#holder}`,
      ...budgets.map(({ key }) => this.#budgetKey(key)),
    ];
    const [kind, ...spent] = await this.#ask('settle', keys, [id, amount, actual, ...budgets.map(({ ttl }) => ttl)]);
    if (!this.#waiting.delete(id)) return;
    this.#held.delete(id);
    waiting.resolve(kind === 'settled' ? this.#learn(waiting.settlement, spent.map(Number)) : []);
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

  /** Fills the store first where it does not know what we know. */
  async #ask(
    name: 'take' | 'settle' | 'observe' | 'tick',
    keys: readonly string[],
    args: readonly (string | number)[],
  ) {
    let reply = await this.#run(name, keys, this.#wall, this.#epoch, ...args);
    if (reply[0] === 'epoch') {
      await this.#fill();
      reply = await this.#run(name, keys, this.#wall, this.#epoch, ...args);
    }
    if (reply[0] === 'epoch' || reply[0] === 'filling')
      throw new StateUnavailable('the store was emptied, and its gateways are filling it');
    return reply;
  }

  #fill(): Promise<void> {
    this.#filling ??= this.#give().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #give(): Promise<void> {
    const now = Date.now();
    for (const [key, { until }] of this.#spent) if (until < now) this.#spent.delete(key);
    const spent = [...this.#spent];
    const held = [...this.#held.values()];
    const keys = [CLOCK, this.#holds, ...spent.map(([key]) => this.#budgetKey(key))];
    const known = spent.flatMap(([, { spent: amount, until }]) => [amount, until - now]);
    const args = [this.#settings.fill ?? FILL, ...known, ...held.flatMap((one) => [one.id, this.#recordOf(one)])];
    const [epoch] = await this.#run('fill', keys, this.#wall, randomUUID(), ...args);
    this.#epoch = String(epoch);
  }

  /** What gives a reservation back when its holder is dead. */
  #recordOf({ amount, budgets }: Reservation): string {
    return JSON.stringify({ amount, keys: budgets.map(({ key }) => this.#budgetKey(key)) });
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
