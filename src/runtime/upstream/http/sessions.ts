import type { Handshake } from '../handshake.ts';
import type { SessionStream } from './session-stream.ts';

const MAX_SESSIONS = 1000;
/** Milliseconds. */
const MAX_IDLE = 10 * 60 * 1000;

/** A conversation with a remote server. */
export interface Session {
  readonly handshake: Handshake;
  /** `Mcp-Session-Id`; undefined: the server keeps no session. */
  readonly id: string | undefined;
  /** Headers of each POST in it: names and values, alternating. */
  readonly headers: string[];
  /** Where it is one of 2025-11-25 or older: its own stream, opened when it is needed. */
  readonly stream: SessionStream | undefined;
  /** The level of log messages that was set last, and when the server has taken it. */
  level?: { readonly name: string; readonly set: Promise<unknown> };
  /** URIs that are subscribed to, and how often. */
  readonly subscribed: Map<string, number>;
  /** Calls and listenings that need it now. */
  users: number;
}

interface Entry {
  readonly session: Promise<Session>;
  opened: Session | undefined;
  usedAt: number;
}

/** Sessions by subject, never shared between two; the least recently used give way, except to nobody while in use. */
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
    const entry: Entry = { session, opened: undefined, usedAt: this.#now() };
    this.#entries.set(subject, entry);
    session.then(
      (opened) => {
        entry.opened = opened;
      },
      () => {},
    );
    for (const [oldest, old] of this.#entries) {
      if (this.#entries.size <= MAX_SESSIONS) return;
      this.#drop(oldest, old);
    }
  }

  /** Forgets the subject's session if it is still this one. */
  delete(subject: string, session: Session | Promise<Session>): void {
    const entry = this.#entries.get(subject);
    if (entry !== undefined && (entry.session === session || entry.opened === session)) this.#entries.delete(subject);
  }

  /** Ends all of them, in use or not. */
  clear(): void {
    for (const { opened } of this.#entries.values()) if (opened) this.#release(opened);
    this.#entries.clear();
  }

  /** The Map is in order of use, so the first that is fresh ends the search. */
  #expire(): void {
    const before = this.#now() - MAX_IDLE;
    for (const [subject, entry] of this.#entries) {
      if (entry.usedAt >= before) return;
      this.#drop(subject, entry);
    }
  }

  #drop(subject: string, { opened }: Entry): void {
    if (opened === undefined || opened.users > 0) return;
    this.#entries.delete(subject);
    this.#release(opened);
  }
}
