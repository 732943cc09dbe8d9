import type { Answer } from '../../contract/answer.ts';
import { fromStore } from '../../contract/from-store.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Authenticated, Framed } from '../../contract/tool-call.ts';
import { Carriage, type CarriageDeps, type Manner } from './carriage.ts';
import type { KeptHomes } from './kept-homes.ts';

/** Milliseconds after the store was away in which the others may not be back, and nobody is taken for dead. */
const SETTLING = 3000;

/** Where things live that requests are about. */
export interface Places {
  /** The other replica that has the session of a request; undefined: it is here, or nowhere, or there is none. */
  session(call: Authenticated): Promise<string | undefined> | undefined;
  /** Takes up the session of a request, from a replica that is gone. */
  takeUp(call: Authenticated, from: string): Promise<void>;
  /**
   * The replica that has what a request of 2026-07-28 goes on with; undefined: any may answer it.
   * @param gone one that is not there any more
   */
  subject(call: Framed, gone?: string): Promise<string | undefined> | string | undefined;
  /** The replica that has the task which a request is about. */
  task(call: Framed): string | undefined;
  /** The store was away. */
  unsettled(): void;
}

export interface ReplicasDeps extends CarriageDeps {
  readonly places: Places;
  readonly kept: KeptHomes;
}

/**
 * One gateway among its replicas. What lives in the memory of one (a session with its streams, a call that is held, a task)
 * is reached from all of them: whoever gets a request has it answered there.
 */
export class Replicas {
  readonly #deps: ReplicasDeps;
  readonly #carriage: Carriage;
  #unsettled = Number.NEGATIVE_INFINITY;

  constructor(deps: ReplicasDeps) {
    this.#deps = deps;
    this.#carriage = new Carriage(deps, () => {
      this.#unsettled = deps.clock.now() + SETTLING;
      deps.places.unsettled();
    });
  }

  /**
   * The answer of the replica that has the session of a request; undefined: it is to be answered here.
   * @throws Refusal unavailable, and those of `Carriage.carry`
   */
  ofSession(call: Authenticated): Promise<Answer | undefined> | undefined {
    if (call.arrived.vouched !== undefined) return undefined;
    const home = this.#deps.places.session(call);
    return home && this.#atSession(call, home);
  }

  /** The same for a request of 2026-07-28, by what it goes on with. */
  async ofSubject(call: Framed): Promise<Answer | undefined> {
    const { clock, places } = this.#deps;
    const home = await fromStore('replicas', async () => places.subject(call));
    const answer = await this.#at(home, call);
    if (answer !== undefined || home === undefined || home === this.#deps.mail.me) return answer;
    this.#demandSettled(clock.now());
    const next = await fromStore('replicas', async () => places.subject(call, home));
    return next === home ? undefined : this.#at(next, call);
  }

  /**
   * To be asked before a call of a session runs in a sandbox that is kept for it.
   * @throws Refusal isolation, once, where that is lost; unavailable
   */
  keepHere(server: string, subject: string, session: string, idle: number): Promise<void> {
    return fromStore('replicas', () => this.#deps.kept.keepHere(server, subject, session, idle));
  }

  /**
   * The same for a request about a task of 2025-11-25. It goes there without its session, whose replica waits for it.
   * @param signal aborted when nobody waits for it any more
   */
  ofTask(call: Framed, signal: AbortSignal): Promise<Answer | undefined> {
    return this.#at(this.#deps.places.task(call), call, { headers: withoutSession(call), signal });
  }

  /** What the others answer to the same request; those who do not are left out. None, where one of them asks. */
  async ofOthers(call: Framed, signal: AbortSignal): Promise<readonly Answer[]> {
    const { headers, vouched } = call.arrived;
    if (vouched !== undefined && headers['mcp-session-id'] === undefined) return [];
    const others = await fromStore('replicas', () => this.#deps.mail.others());
    const asked = others.map((one) => this.#at(one, call, { headers: withoutSession(call), signal }));
    const answers = await Promise.all(asked.map((one) => one.catch(() => undefined)));
    return answers.filter((answer) => answer !== undefined);
  }

  close(): void {
    this.#carriage.close();
  }

  async #atSession(call: Authenticated, home: Promise<string | undefined>): Promise<Answer | undefined> {
    const { clock, places } = this.#deps;
    let at = await home;
    for (let tries = 0; at !== undefined && tries < 3; tries++) {
      const answer = await this.#at(at, call);
      if (answer !== undefined) return answer;
      this.#demandSettled(clock.now());
      await places.takeUp(call, at);
      at = await places.session(call);
    }
    if (at !== undefined) throw new Refusal('unavailable', 'a session whose replica is gone was not to be had');
    return undefined;
  }

  #demandSettled(now: number): void {
    if (now < this.#unsettled) throw new Refusal('unavailable', 'the store was away: not everybody is back yet');
  }

  async #at(home: string | undefined, call: Authenticated | Framed, how?: Manner): Promise<Answer | undefined> {
    if (home === undefined || home === this.#deps.mail.me) return undefined;
    return fromStore('replicas', () => this.#carriage.carry(home, call, how));
  }
}

function withoutSession({ frame }: Framed): Readonly<Record<string, string | undefined>> {
  return { 'mcp-session-id': undefined, 'mcp-protocol-version': frame.revision };
}
