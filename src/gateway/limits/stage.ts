import type { Watch } from '../../contract/breaker.ts';
import type { GatewayServer } from '../../contract/bundle.ts';
import { fromStore } from '../../contract/from-store.ts';
import type { Bucket, Demand, Limits, Reservation, Taken } from '../../contract/limits.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { StateStore } from '../../contract/state-store.ts';
import { type Confirmed, Limited } from '../../contract/tool-call.ts';
import type { Breakers } from './breakers.ts';
import type { Flights } from './flights.ts';
import { type Money, usd } from './money.ts';

export interface LimitDeps {
  readonly money: Money;
  readonly breakers: Pick<Breakers, 'watch'>;
  readonly flights: Flights;
  readonly limits: Limits;
  readonly servers: readonly GatewayServer[];
  readonly store: Pick<StateStore, 'take'>;
}

/** `quote`: raw JSON of the result of the call's dry run, where it has one. */
type Limit = (call: Confirmed, quote?: string) => Promise<Limited>;

/**
 * The stage at which a call that may happen is asked whether it is one too many: for its subject, its tenant, its tool, and
 * for the budgets that its price is reserved in; and whether its tool is in order. What there is no room for is
 * refused before it costs anything.
 * All replicas ask the same store, once for each call; when that cannot tell, the call is refused.
 */
export function limitStage({ limits, servers, money, breakers, flights, store }: LimitDeps): Limit {
  const tools = new Map(
    servers.flatMap(({ pins, tools: settings }) =>
      Object.entries(settings).flatMap(([tool, { rate }]): [string, Bucket][] =>
        rate === undefined ? [] : [[`${pins.name}/${tool}`, { key: `tool ${pins.name}/${tool}`, ...rate }]],
      ),
    ),
  );
  const demandOf = (
    { subject, target }: Confirmed,
    watch: Watch | undefined,
    reserve: Reservation | undefined,
  ): Demand => {
    const tool = tools.get(target.action);
    return {
      own: { key: `subject ${subject.key}`, ...limits.perSubject },
      shared: limits.perTenant && { key: `tenant ${subject.tenant}`, ...limits.perTenant },
      further: tool === undefined ? [] : [tool],
      watch,
      away: limits.away,
      reserve,
    };
  };
  return async (call, quote) => {
    // Watching costs no call; how much of it there may be, its own room knows.
    const isCall = call.target.method !== 'resources/subscribe';
    const [watch, reserve] = isCall ? [breakers.watch(call), money.reservation(call, quote)] : [];
    const leave = flights.enter(call.target.server, call.subject.tenant, limits.inFlight);
    try {
      const ask = () => store.take(demandOf(call, watch, reserve));
      const isProbe = isCall && demandTaken(await fromStore('limits', ask), reserve);
      return new Limited(call, reserve, watch && { ...watch, isProbe }, leave);
    } catch (error) {
      leave();
      throw error;
    }
  };
}

/** @returns whether a breaker is tried by the call. @throws Refusal */
function demandTaken(taken: Taken, reserve: Reservation | undefined): boolean {
  switch (taken.kind) {
    case 'taken':
      return taken.isProbe;
    case 'rate':
      throw tooMany(taken.key, taken.wait);
    case 'open':
      throw new Refusal('breaker', `${taken.key} is open, for ${Math.ceil(taken.wait / 1000)} s at least`);
    case 'budget': {
      const { key, spent, held } = taken;
      const asked = `${usd(reserve?.amount ?? 0)} beside ${usd(spent)} spent and ${usd(held)} reserved`;
      throw new Refusal('budget', `${key} does not bear ${asked}`);
    }
  }
}

/** @param wait milliseconds; told in whole seconds, after which there is a token (RFC 9110 §10.2.3) */
export function tooMany(key: string, wait: number): Refusal {
  return new Refusal('rate', `no token for ${key}`, undefined, String(Math.max(1, Math.ceil(wait / 1000))));
}
