import { asFailure, type RpcAnswer, UpstreamFailure, type UpstreamListening } from '../upstream.ts';
import { HttpFailure } from './failures.ts';
import { SessionGone } from './session-stream.ts';
import type { Session } from './sessions.ts';
import { Interrupted, listenInSession, listenModern } from './subscriptions.ts';
import type { Wire } from './wire.ts';

/** Listenings at the same time, of all subjects and of one; URIs of one. */
const MAX_LISTENINGS = 128;
const MAX_BY_SUBJECT = 16;
const MAX_URIS = 1000;
/** Times in a row that a listening which was interrupted is begun anew, and milliseconds between. */
const MAX_RETRIES = 5;
const RETRY = 1000;
/** Milliseconds after which a listening has been one. */
const LASTED = 60_000;

/** What a listening needs of the server's conversations. */
export interface Ground {
  session(): Promise<Session>;
  /** As Conversations.isOver. */
  isOver(session: Session, status: number): boolean;
  request(session: Session): (method: string, params: Uint8Array) => Promise<RpcAnswer>;
}

/** Who listens to one server. */
export class Listenings {
  readonly #bySubject = new Map<string, number>();
  readonly #closing = new AbortController();
  #all = 0;

  /** As Upstream.listen. */
  async hold(listening: UpstreamListening, wire: Wire, ground: Ground): Promise<void> {
    const { subject, signal, uris } = listening;
    const own = this.#bySubject.get(subject) ?? 0;
    if (uris.length > MAX_URIS) throw new UpstreamFailure('overload', `more than ${MAX_URIS} subscriptions`);
    if (this.#all >= MAX_LISTENINGS || own >= MAX_BY_SUBJECT)
      throw new UpstreamFailure('overload', `no room for one more listening`);
    this.#all++;
    this.#bySubject.set(subject, own + 1);
    try {
      await this.#keep(listening, wire, ground);
    } catch (error) {
      if (!signal.aborted) throw asFailure(error);
    } finally {
      this.#all--;
      const left = (this.#bySubject.get(subject) ?? 1) - 1;
      if (left > 0) this.#bySubject.set(subject, left);
      else this.#bySubject.delete(subject);
    }
  }

  /** Ends them all. */
  close(): void {
    this.#closing.abort();
  }

  async #keep(listening: UpstreamListening, wire: Wire, ground: Ground): Promise<void> {
    let ready = false;
    const once = { ...listening, signal: AbortSignal.any([listening.signal, this.#closing.signal]) };
    once.ready = () => {
      if (!ready) listening.ready();
      ready = true;
    };
    for (let retries = 0; ; retries++) {
      const begun = performance.now();
      try {
        await this.#once(once, wire, ground);
        if (!listening.signal.aborted) throw new UpstreamFailure('upstream', 'closed');
        return;
      } catch (error) {
        if (!(error instanceof Interrupted || error instanceof SessionGone)) throw error;
        if (performance.now() - begun > LASTED) retries = 0;
        if (retries >= MAX_RETRIES) throw error;
      }
      await pause(RETRY * 2 ** retries, once.signal);
    }
  }

  async #once(listening: UpstreamListening, wire: Wire, ground: Ground): Promise<void> {
    const session = await ground.session();
    session.users++;
    try {
      if (session.handshake.era === 'modern') await listenModern(wire, session, listening);
      else await listenInSession(session, listening, ground.request(session));
    } catch (error) {
      const status = error instanceof SessionGone ? 404 : error instanceof HttpFailure ? error.status : undefined;
      if (status === undefined || !ground.isOver(session, status) || error instanceof SessionGone) throw error;
      throw new SessionGone('upstream', asFailure(error).detail);
    } finally {
      session.users--;
    }
  }
}

/** Resolves after so many milliseconds, or when the signal is aborted. */
function pause(wait: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, wait);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
