import { levelKey, P99, type Seen, type Turned, type Watch } from '../../contract/breaker.ts';
import type { GatewayServer } from '../../contract/bundle.ts';
import type { BreakerSettings } from '../../contract/descriptors.ts';
import { isObject, type Json } from '../../contract/json.ts';
import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import type { Admitted, Confirmed, Limited } from '../../contract/tool-call.ts';
import type { RpcAnswer, Served } from '../../contract/upstream.ts';

export interface BreakerDeps {
  readonly servers: readonly GatewayServer[];
  readonly store: Pick<StateStore, 'observe'>;
  /** Breakers have opened or closed by this call. */
  readonly turned: (call: Limited | Admitted, turned: readonly Turned[]) => void;
  readonly fault: (error: unknown, incident: string) => void;
}

export interface Breakers {
  /** What has to let the call through, from the widest to the caller's own; undefined: it calls no tool. */
  watch(call: Confirmed): Watch | undefined;
  /** Its server is done with it; undefined `answer`: without one. */
  served(call: Admitted, served: Served, answer: RpcAnswer | undefined): void;
  /** It is over, whatever has come of it: where it was a probe and told nothing, another one may be it. */
  over(call: Limited | Admitted): void;
}

const DEFAULT: BreakerSettings = { p99: P99, is_error: 'answer', errors: 'count' };

/** Tells the breakers of calls that servers had: what their own time was, and whether they failed. */
export function breakers({ servers, store, turned, fault }: BreakerDeps): Breakers {
  const settings = new Map<string, BreakerSettings>(
    servers.flatMap(({ pins, tools }) =>
      Object.entries(tools).map(([tool, { breaker }]) => [`${pins.name}/${tool}`, breaker ?? DEFAULT] as const),
    ),
  );
  let calls = 0;
  const tell = (call: Limited | Admitted, watch: Watch, seen: Seen | undefined): void => {
    store.observe(watch, seen).then(
      (all) => {
        if (all.length > 0) turned(call, all);
      },
      (error: unknown) => {
        // While the store is away no call is let in either.
        if (!(error instanceof StateUnavailable)) fault(error, call.arrived.incident);
      },
    );
  };
  return {
    watch({ arrived, subject, target }) {
      if (target.method !== 'tools/call') return undefined;
      const { tenant, key } = subject;
      const levels = [
        { key: levelKey(target.action), party: tenant },
        { key: levelKey(target.action, { tenant }), party: key },
        { key: levelKey(target.action, { tenant, subject: key }) },
      ];
      return { id: `${arrived.incident} ${++calls}`, levels };
    },
    served(call, { ms, fault: failed }, answer) {
      if (call.watched === undefined) return;
      const { p99, is_error, errors } = settings.get(call.target.action) ?? DEFAULT;
      const isFault = failed || (is_error === 'fault' && answer !== undefined && hasFailed(answer));
      tell(call, call.watched, { slow: ms > p99, fault: isFault && errors === 'count' });
    },
    over(call) {
      if (call.watched?.isProbe) tell(call, call.watched, undefined);
    },
  };
}

/** MCP 2025-11-25, tools, error handling: a result may say that it is a failure. */
function hasFailed({ kind, raw }: RpcAnswer): boolean {
  // Most results say nothing of the kind; the word has no other spelling without `\\u`.
  if (kind === 'error' || !(raw.includes('"isError"') || raw.includes('\\u'))) return false;
  try {
    const result: Json = JSON.parse(raw);
    return isObject(result) && result.isError === true;
  } catch {
    return true;
  }
}
