import { randomBytes } from 'node:crypto';
import type { GatewayServer } from '../contract/bundle.ts';
import type { Clock } from '../contract/clock.ts';
import { homeOf } from '../contract/placed-ids.ts';
import type { SealKey, StateStore } from '../contract/state-store.ts';
import type { Framed } from '../contract/tool-call.ts';
import { StateSeal } from '../gateway/execution/sealed-state.ts';
import type { createPipeline } from '../gateway/pipeline.ts';
import { homeOfRest } from '../gateway/remainders/remainders.ts';
import { KeptHomes, namedServer } from '../gateway/replicas/kept-homes.ts';
import { Replicas } from '../gateway/replicas/replicas.ts';
import type { Sessions } from '../gateway/sessions/sessions.ts';
import { arrived } from '../gateway/transport/arrived.ts';

export interface ReplicasWish {
  readonly clock: Clock;
  readonly state: StateStore;
  readonly sessions: Sessions;
  readonly seal: StateSeal;
  readonly handle: ReturnType<typeof createPipeline>;
  /** Of the bundle in force. */
  readonly servers: () => readonly Pick<GatewayServer, 'pins' | 'keep'>[];
}

/** This gateway among the others that share its store; undefined: it shares it with nobody. */
export function openReplicas({ clock, state, sessions, seal, handle, servers }: ReplicasWish): Replicas | undefined {
  const { mail, records } = state;
  if (mail === undefined) return undefined;
  const kept = new KeptHomes(records, mail.me);
  const keptFor = async (call: Framed, gone: string | undefined): Promise<string | undefined> => {
    const name = namedServer(call);
    const keep = servers().find(({ pins }) => pins.name === name)?.keep;
    if (name === undefined || keep === undefined) return undefined;
    const home = await kept.homeOf(name, call.subject.key, keep.idle, gone);
    // Whoever has carried it here has asked, too.
    return call.arrived.vouched === undefined ? home : undefined;
  };
  return new Replicas({
    ...{ mail, clock, handle, kept },
    arrive: arrived,
    places: {
      session: (call) => sessions.elsewhere(call),
      takeUp: (call, from) => sessions.takeUp(call, from),
      subject: (call, gone) => {
        const { method, modern, params = {} } = call.frame;
        const rest = method === 'resources/read' ? homeOfRest(params.uri) : undefined;
        if (rest !== undefined || !modern) return rest;
        const { requestState: sealed, taskId } = params;
        const held = typeof sealed === 'string' ? seal.homeOf(call.subject, sealed) : undefined;
        return held ?? homeOf(taskId) ?? keptFor(call, gone);
      },
      task: ({ frame: { params } }) => homeOf(params?.taskId),
      unsettled: () => sessions.announceAll(),
    },
  });
}

/**
 * What clients carry between two requests is sealed for all replicas; where there are none, for this process: nothing is left of
 * what one has sealed that is no more.
 */
export function stateSeal({ mail }: StateStore, shared: () => readonly SealKey[]): StateSeal {
  const own = [{ id: 'own', key: randomBytes(32).toString('base64url') }];
  return new StateSeal(mail === undefined ? () => own : shared, Date.now);
}
