import type { GatewayServer } from '../../contract/bundle.ts';
import type { Allowance, Budget, DryRun, Limits, Reservation } from '../../contract/limits.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Confirmed, Subject } from '../../contract/tool-call.ts';
import { type Price, priceOf } from './prices.ts';

const DAY = 24 * 60 * 60 * 1000;

export interface Money {
  /** The dry run that has to tell the call's price; undefined: it is known without, or it is one itself. */
  dryRun(call: Pick<Confirmed, 'frame' | 'target'>): DryRun | undefined;
  /**
   * What the call may cost, and the budgets that have to bear it; undefined: it costs nothing.
   * @param quote raw JSON of its dry run's result
   * @throws Refusal budget
   */
  reservation(call: Confirmed, quote: string | undefined): Reservation | undefined;
  /** The dry run of that tool has told less than its calls cost: until the next bundle, the most that they may is reserved. */
  distrust(action: string): void;
  price(action: string): Price | undefined;
}

/** @param now milliseconds since the epoch */
export function money(limits: Limits, servers: readonly GatewayServer[], now: () => number): Money {
  const prices = new Map(
    servers.flatMap(({ pins, tools }) =>
      Object.entries(tools).flatMap(([tool, { cost }]): [string, Price][] =>
        cost === undefined ? [] : [[`${pins.name}/${tool}`, priceOf(cost)]],
      ),
    ),
  );
  const distrusted = new Set<string>();
  let reserved = 0;

  const budgetsOf = (subject: Subject, action: string, tool: Allowance): Budget[] => {
    const time = new Date(now()).toISOString();
    const of = (whose: string, { daily, monthly }: Allowance = {}): Budget[] => [
      ...(daily === undefined ? [] : [{ key: `${whose} ${time.slice(0, 10)}`, limit: daily, ttl: 3 * DAY }]),
      ...(monthly === undefined ? [] : [{ key: `${whose} ${time.slice(0, 7)}`, limit: monthly, ttl: 63 * DAY }]),
    ];
    return [
      ...of(`tool ${action}`, tool),
      // Not by `key`: the embedded issuer may be called otherwise after its next start.
      ...of(`subject ${JSON.stringify([subject.kind, subject.tenant, subject.id])}`, limits.subjectBudget),
      ...of(`tenant ${subject.tenant}`, limits.tenantBudget),
    ];
  };
  return {
    price: (action) => prices.get(action),
    dryRun: ({ frame, target }) =>
      frame.isDryRun || distrusted.has(target.action) ? undefined : prices.get(target.action)?.cost.dryRun,
    distrust: (action) => void distrusted.add(action),
    reservation({ arrived, frame, subject, target, params }, quote) {
      const price = prices.get(target.action);
      if (price === undefined || frame.isDryRun) return undefined;
      const { max } = price.cost;
      const amount = price.before(params.arguments, quote);
      if (amount === undefined)
        throw new Refusal('budget', `${target.action} costs money, and its price cannot be told`);
      if (max !== undefined && amount > max)
        throw new Refusal('budget', `${target.action} would cost ${usd(amount)}, and may cost ${usd(max)}`);
      const budgets = budgetsOf(subject, target.action, price.cost);
      return { id: `${arrived.incident} ${++reserved}`, amount, budgets };
    },
  };
}

/** `$1.25`, from micro-dollars. */
export function usd(amount: number): string {
  return `$${(amount / 1e6).toFixed(6).replace(/0{1,4}$/, '')}`;
}
