import type { GatewayServer } from '../../contract/bundle.ts';
import type { Bucket, Demand, Limits, Taken } from '../../contract/limits.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import { type Confirmed, Limited } from '../../contract/tool-call.ts';

export interface LimitDeps {
  readonly limits: Limits;
  readonly servers: readonly GatewayServer[];
  readonly store: Pick<StateStore, 'take'>;
}

/**
 * The stage at which a call that may happen is asked whether it is one too many: for its subject, its tenant, its tool.
 * All replicas ask the same store, once for each call; when that cannot tell, the call is refused.
 */
export function limitStage({ limits, servers, store }: LimitDeps): (call: Confirmed) => Promise<Limited> {
  const tools = new Map(
    servers.flatMap(({ pins, tools: settings }) =>
      Object.entries(settings).flatMap(([tool, { rate }]): [string, Bucket][] =>
        rate === undefined ? [] : [[`${pins.name}/${tool}`, { key: `tool ${pins.name}/${tool}`, ...rate }]],
      ),
    ),
  );
  const demandOf = ({ subject, target }: Confirmed): Demand => {
    const tool = tools.get(target.action);
    return {
      own: { key: `subject ${subject.key}`, ...limits.perSubject },
      shared: limits.perTenant && { key: `tenant ${subject.tenant}`, ...limits.perTenant },
      further: tool === undefined ? [] : [tool],
    };
  };
  return async (call) => {
    // Watching costs no call; how much of it there may be, its own room knows.
    if (call.target.method !== 'resources/subscribe') {
      const taken = await ask(store, demandOf(call));
      if (taken.kind === 'rate') throw tooMany(taken.key, taken.wait);
    }
    return new Limited(call, undefined);
  };
}

async function ask(store: LimitDeps['store'], demand: Demand): Promise<Taken> {
  try {
    return await store.take(demand);
  } catch (error) {
    if (error instanceof StateUnavailable) throw new Refusal('unavailable', `limits: ${error.message}`);
    throw error;
  }
}

/** @param wait milliseconds; told in whole seconds, after which there is a token (RFC 9110 §10.2.3) */
export function tooMany(key: string, wait: number): Refusal {
  return new Refusal('rate', `no token for ${key}`, undefined, String(Math.max(1, Math.ceil(wait / 1000))));
}
