import type { Handshake } from '../handshake.ts';

const MAX_SESSIONS = 1000;
/** Milliseconds. */
const MAX_IDLE = 10 * 60 * 1000;

/** A conversation with a remote server. */
export interface Session {
  readonly handshake: Handshake;
  /** `Mcp-Session-Id`; undefined: the server keeps no session. */
  readonly id: string | undefined;
  /** Headers of each request in it: names and values, alternating. */
  readonly headers: string[];
}

interface Entry {
  readonly session: Promise<Session>;
  usedAt: number;
}

/** Sessions by subject, never shared between two; the least recently used give way. */
export class SubjectSessions {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  readonly #release: (session: Session) => void;

  constructor(now: () => number, release: (session: Session) => void) {
    this.#now = now;
    this.#release = release;
  }

  get(subject: string): Promise<Session> | undefined {
    this.#expire();
    const entry = this.#entries.get(subject);
    if (entry === undefined) return undefined;
    entry.usedAt = this.#now();
    this.#entries.delete(subject);
    this.#entries.set(subject, entry);
    return entry.session;
  }

  set(subject: string, session: Promise<Session>): void {
    this.#entries.set(subject, { session, usedAt: this.#now() });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= MAX_SESSIONS) return;
      this.#drop(oldest, entry);
    }
  }

  /** Forgets the subject's session if it is still this one. */
  delete(subject: string, session: Promise<Session>): void {
    if (this.#entries.get(subject)?.session === session) this.#entries.delete(subject);
  }

  /** The Map is in order of use, so the first that is fresh ends the search. */
  #expire(): void {
    const before = this.#now() - MAX_IDLE;
    for (const [subject, entry] of this.#entries) {
      if (entry.usedAt >= before) return;
      this.#drop(subject, entry);
    }
  }

  #drop(subject: string, entry: Entry): void {
    this.#entries.delete(subject);
    entry.session.then(this.#release, () => {});
  }
}
