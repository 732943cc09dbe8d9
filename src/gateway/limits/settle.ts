import type { Spending } from '../../contract/limits.ts';
import { Refusal, type RefusalCode } from '../../contract/refusal.ts';
import type { StateStore } from '../../contract/state-store.ts';
import { type Admitted, Executed, type Limited } from '../../contract/tool-call.ts';
import { type Money, usd } from './money.ts';

export interface SettleDeps {
  readonly money: Money;
  readonly store: Pick<StateStore, 'settle'>;
  /** What budgets have come to by the call. */
  readonly spent: (call: Limited | Admitted, spendings: readonly Spending[]) => void;
  /** The call has cost more than its dry run said. */
  readonly underquoted: (call: Limited | Admitted, detail: string) => void;
  readonly fault: (error: unknown, incident: string) => void;
}

/** Refusals after which the server has not had the call, whatever it costs. */
const UNREACHED: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'audit',
  'credential',
  'overload',
  'params',
  'policy',
  'request-state',
  'validation',
]);

/** Turns what a call reserved into what it cost. Where that is not known, it cost all of it. */
export function settlement({ money, store, spent, underquoted, fault }: SettleDeps) {
  return (call: Limited | Admitted, outcome: Executed | Refusal | undefined): void => {
    const { reserved, target, params } = call;
    if (reserved === undefined) return;
    const cost = (): number => {
      if (outcome instanceof Refusal && UNREACHED.has(outcome.code)) return 0;
      if (!(outcome instanceof Executed)) return reserved.amount;
      // What wants input first comes again, and pays then.
      if (outcome.continuation !== undefined) return 0;
      return money.price(target.action)?.after(params.arguments, outcome.result) ?? reserved.amount;
    };
    const actual = cost();
    if (actual > reserved.amount && money.price(target.action)?.cost.dryRun !== undefined) {
      money.distrust(target.action);
      underquoted(
        call,
        `the dry run of ${target.action} said ${usd(reserved.amount)}, and the call cost ${usd(actual)}: it is not believed any more`,
      );
    }
    store.settle({ ...reserved, actual }).then(
      (spendings) => spent(call, spendings),
      (error: unknown) => fault(error, call.arrived.incident),
    );
  };
}

/** What somebody should be told: each threshold of a budget once. */
export function warnings(spendings: readonly Spending[]): string[] {
  return spendings.flatMap(({ key, reached, spent, limit }) =>
    reached === undefined ? [] : [`${key}: ${reached} % of the budget is reached: ${usd(spent)} of ${usd(limit)}`],
  );
}
