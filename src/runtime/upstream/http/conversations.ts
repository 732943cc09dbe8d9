import type { Era } from '../handshake.ts';
import { UpstreamFailure } from '../upstream.ts';
import { openSession } from './open.ts';
import { SessionGone } from './session-stream.ts';
import { type Session, SubjectSessions } from './sessions.ts';
import type { Wire } from './wire.ts';

/** Milliseconds after which a server's era, and a conversation that no session bounds, is asked for anew. */
const ERA_LASTS = 60 * 60 * 1000;

/** The conversations with one server: a session for each subject, or one for all where the server keeps none. */
export class Conversations {
  readonly #wire: Wire;
  readonly #now: () => number;
  readonly #sessions: SubjectSessions;
  #shared: Session | undefined;
  #era: Era | undefined;
  #eraUntil = 0;
  /** The handshake that will tell whether the server keeps sessions. */
  #first: Promise<Session> | undefined;
  #keepsSessions = false;
  #closed = false;

  /** @param now milliseconds since the epoch */
  constructor(wire: Wire, now: () => number) {
    this.#wire = wire;
    this.#now = now;
    this.#sessions = new SubjectSessions(now, (session) => this.end(session));
  }

  /** The one conversation with a server that keeps no sessions, once that is known. */
  get shared(): Session | undefined {
    if (this.#shared !== undefined && this.#now() >= this.#eraUntil) this.#forgetEra();
    return this.#shared;
  }

  /** @throws UpstreamFailure */
  of(subject: string): Promise<Session> {
    const { shared } = this;
    if (shared) return Promise.resolve(shared);
    const own = this.#sessions.get(subject);
    if (own) return own;
    if (this.#first) return this.#first.then(() => this.of(subject));
    const opening = this.open().then(
      (session) => {
        this.#keepsSessions = session.id !== undefined;
        this.#first = undefined;
        if (session.id !== undefined) return session;
        this.#sessions.delete(subject, opening);
        this.#shared = session;
        return session;
      },
      (error) => {
        this.#first = undefined;
        this.#sessions.delete(subject, opening);
        throw error;
      },
    );
    this.#sessions.set(subject, opening);
    if (!this.#keepsSessions) this.#first = opening;
    return opening;
  }

  /** A conversation of its own, for whoever ends it. */
  async open(): Promise<Session> {
    if (this.#closed) throw new UpstreamFailure('upstream', 'closed');
    if (this.#now() >= this.#eraUntil) this.#forgetEra();
    try {
      const session = await openSession(this.#wire, this.#era);
      if (this.#era !== session.handshake.era)
        [this.#era, this.#eraUntil] = [session.handshake.era, this.#now() + ERA_LASTS];
      return session;
    } catch (error) {
      this.#forgetEra();
      throw error;
    }
  }

  /**
   * What a refusal says of a conversation. 404: its session is unknown there, so nothing was executed (MCP 2025-11-25,
   * Session Management). 400 or 404 without a session: the server may speak otherwise now; the next call will ask.
   * @returns whether the request may be sent in a new one
   */
  isOver(subject: string, session: Session, status: number): boolean {
    if (session.id === undefined) {
      if (this.#shared === session && (status === 400 || status === 404)) this.#forgetEra();
      return false;
    }
    if (status !== 404) return false;
    this.#sessions.delete(subject, session);
    session.stream?.end(new SessionGone('upstream', 'the session is over'));
    return true;
  }

  /** Tells the server that a session is over; whether it listens is its own affair. */
  end({ id, headers, stream }: Session): void {
    stream?.end(new SessionGone('upstream', 'the session was ended'));
    if (id !== undefined) this.#wire.side.post(headers, undefined);
  }

  /** Ends every session; resolves when the server has heard of it, at the latest after `patience` milliseconds. */
  async close(patience: number): Promise<void> {
    this.#closed = true;
    this.#sessions.clear();
    await this.#wire.side.idle(patience);
  }

  #forgetEra(): void {
    this.#era = undefined;
    this.#eraUntil = 0;
    this.#shared = undefined;
  }
}
