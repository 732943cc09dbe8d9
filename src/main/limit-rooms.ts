import { type Turned, turnedText } from '../contract/breaker.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import type { Spending } from '../contract/limits.ts';
import type { StateStore } from '../contract/state-store.ts';
import type { Admitted, Limited } from '../contract/tool-call.ts';
import { type AuditDeps, AuditTrail } from '../gateway/audit/trail.ts';
import { type Breakers, breakers } from '../gateway/limits/breakers.ts';
import type { ContextBudgets } from '../gateway/limits/context.ts';
import { estimateOf } from '../gateway/limits/dry-run.ts';
import type { Flights } from '../gateway/limits/flights.ts';
import { money } from '../gateway/limits/money.ts';
import { type SettleDeps, settlement, warnings } from '../gateway/limits/settle.ts';
import { limitStage } from '../gateway/limits/stage.ts';
import type { Rooms } from '../gateway/pipeline.ts';
import { dryRunOf } from '../gateway/protocol/frame.ts';
import type { Running } from '../gateway/stops/running.ts';

/** What limits count by, longer than a bundle. */
export interface LimitStanding {
  readonly contexts: ContextBudgets;
  readonly flights: Flights;
  readonly state: StateStore;
  readonly running: Running;
  /** Tells zone 0 what budgets have come to. */
  readonly spent: (spendings: readonly Spending[]) => void;
  /** Tells zone 0 of breakers that have opened or closed. */
  readonly turned: (turned: readonly Turned[]) => void;
  readonly audit: AuditDeps;
  /** What went wrong with us; nobody waits for it. */
  readonly fault: (error: unknown, incident?: string) => void;
}

/** The rooms in which a call is let in, and what it cost is settled. */
export function limitRooms(
  { version, limits, servers }: Pick<GatewayBundle, 'version' | 'limits' | 'servers'>,
  { contexts, flights, state: store, running, spent: tellSpent, turned: tellTurned, audit, fault }: LimitStanding,
): Pick<Rooms, 'estimate' | 'limit' | 'settle'> & Pick<Breakers, 'served'> {
  const alert = (call: Limited | Admitted, details: readonly string[]): void => {
    for (const detail of details) {
      const trail = new AuditTrail(audit, call.arrived, version);
      trail.authenticated(call);
      trail.identified(call);
      trail.alert(detail).catch((error) => fault(error, call.arrived.incident));
    }
  };
  const prices = money(limits, servers, Date.now);
  const breaking = breakers({
    servers,
    store,
    turned: (call, all) => {
      tellTurned(all);
      alert(call, all.map(turnedText));
    },
    fault,
  });
  const spent: SettleDeps['spent'] = (call, all) => {
    if (all.length > 0) tellSpent(all);
    alert(call, warnings(all));
  };
  const underquoted: SettleDeps['underquoted'] = (call, detail) => alert(call, [detail]);
  const settle = settlement({ money: prices, store, spent, underquoted, fault });
  const limit = limitStage({ limits, servers, money: prices, breakers: breaking, flights, store });
  return {
    served: breaking.served,
    estimate: (call, framed, caller) => {
      const dryRun = prices.dryRun(call);
      if (dryRun === undefined) return undefined;
      const { params, ...estimate } = estimateOf(call, dryRun, caller);
      return { ...estimate, framed: dryRunOf(framed, params) };
    },
    limit: (call, session, quote) => {
      running.demand(call);
      contexts.left(call.subject, session, limits.context);
      return limit(call, quote);
    },
    settle: (call, outcome) => {
      settle(call, outcome);
      breaking.over(call);
      call.leave();
    },
  };
}
