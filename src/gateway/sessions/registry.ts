import { Refusal } from '../../contract/refusal.ts';
import type { Bearer } from './carrier.ts';
import type { SessionLimits } from './limits.ts';
import type { Session } from './session.ts';

/** The sessions that have not ended, by their ids and by whose they are. */
export class Registry {
  readonly #limits: SessionLimits;
  readonly #byId = new Map<string, Session>();
  /** Of each subject, the one that was used least recently first. */
  readonly #bySubject = new Map<string, Set<Session>>();

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  all(): readonly Session[] {
    return [...this.#byId.values()];
  }

  /** Whoever asks. */
  get(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** Ends a session of the subject's own where it has too many; others' are never ended for it. @throws Refusal overload */
  makeRoom({ subject }: Bearer): void {
    const { perSubject, total } = this.#limits;
    const own = this.#bySubject.get(subject.key) ?? new Set();
    const [oldest] = own;
    if (own.size < perSubject && this.#byId.size < total) return;
    if (oldest === undefined) throw new Refusal('overload', `${total} sessions are open`);
    oldest.end('its subject opened too many');
  }

  add(session: Session): void {
    const { key } = session.subject;
    const own = this.#bySubject.get(key);
    if (own === undefined) this.#bySubject.set(key, new Set([session]));
    else own.add(session);
    this.#byId.set(session.id, session);
  }

  remove(session: Session): void {
    const { key } = session.subject;
    const own = this.#bySubject.get(key);
    own?.delete(session);
    if (own?.size === 0) this.#bySubject.delete(key);
    this.#byId.delete(session.id);
  }

  /**
   * The session of whoever asks, in the scope that is asked in, over the transport that it was opened on. Why it is
   * none is for the log alone.
   * @throws Refusal unknown-session, alike for all that is not there for the asking subject
   */
  find(id: string, call: Bearer): Session {
    const session = this.#byId.get(id);
    const why = session === undefined ? 'unknown or ended' : session.foreignTo(call);
    if (session === undefined || why !== undefined) throw new Refusal('unknown-session', `a session ${why}`);
    session.touch(call);
    const own = this.#bySubject.get(call.subject.key);
    own?.delete(session);
    own?.add(session);
    return session;
  }

  /** As `find`, without using it. */
  peek(id: string, call: Bearer): Session | undefined {
    const session = this.#byId.get(id);
    return session?.foreignTo(call) === undefined ? session : undefined;
  }
}
