import type { SandboxedServer } from '../../contract/bundle.ts';
import type { Clock } from '../../contract/clock.ts';
import type { UpstreamCall } from '../../contract/upstream.ts';
import { asFailure, cancelled, UpstreamFailure } from '../upstream/upstream.ts';
import type { SandboxPool } from './pool.ts';
import type { Ready } from './start-sandbox.ts';

/** Calls of one session at the same time, in one sandbox. */
const MAX_CALLS = 16;
/** Owners who are still to be told that their state is lost. */
const MAX_LOST = 10_000;

type Caller = Pick<UpstreamCall, 'subject' | 'session' | 'signal'>;

/** A sandbox that is there for one subject and session, of one server. */
interface Kept {
  readonly subject: string;
  readonly ready: Promise<Ready>;
  calls: number;
  /** Resolves when the calls that take turns have had theirs. */
  turns: Promise<void>;
  /** Stops the clock that runs while there is no call. */
  wake(): void;
  end(why: string): void;
}

/**
 * The sandboxes of servers that keep state (`isolation: session`): one for a subject and its session, or for a subject
 * whose client keeps no session; never another's. Each has had no other owner, and ends with its session, after a time
 * without a call, or with the first thing that goes wrong in it. Who owned one that ended in between is told by the
 * refusal of the next call, rather than served by a server that has forgotten.
 */
export class KeptSandboxes {
  readonly #pool: SandboxPool;
  readonly #clock: Clock;
  readonly #log: (event: object) => void;
  /** By owner; the one that was used least recently first. */
  readonly #kept = new Map<string, Kept>();
  readonly #lost = new Map<string, string>();

  constructor(pool: SandboxPool, clock: Clock, log: (event: object) => void) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Has `work` done in the caller's own sandbox, beside other calls of the same session.
   * @param idle milliseconds without a call after which the sandbox ends
   * @throws UpstreamFailure `state-lost` when the sandbox has ended under this call or since the last one, `overload`,
   * and what `pool.acquire` and `work` reject with
   */
  async use<T>(server: SandboxedServer, idle: number, caller: Caller, work: (ready: Ready) => Promise<T>): Promise<T> {
    const owner = JSON.stringify([server.name, caller.subject, caller.session?.key ?? null]);
    const lost = this.#lost.get(owner);
    if (this.#lost.delete(owner)) throw new UpstreamFailure('state-lost', `${lost}, before this call`);
    const kept = this.#kept.get(owner) ?? this.#open(owner, server, idle, caller);
    if (kept.calls >= MAX_CALLS) throw new UpstreamFailure('overload', `${kept.calls} calls in one session`);
    this.#kept.delete(owner);
    this.#kept.set(owner, kept);
    kept.calls++;
    kept.wake();
    try {
      const ready = await unlessAborted(kept.ready, caller.signal);
      // What goes out, and the credentials that are lent for it, must be one call's.
      if (ready.proxy === undefined) return await this.#within(ready, work);
      return await inTurn(kept, caller.signal, () => this.#within(ready, work));
    } finally {
      kept.calls--;
      kept.wake();
    }
  }

  async #within<T>(ready: Ready, work: (ready: Ready) => Promise<T>): Promise<T> {
    try {
      return await work(ready);
    } catch (error) {
      const { code, detail } = asFailure(error);
      throw new UpstreamFailure(ready.session.failure === undefined ? code : 'state-lost', detail);
    }
  }

  #open(owner: string, server: SandboxedServer, idle: number, { subject, session }: Caller): Kept {
    const release = this.#room(server, subject);
    const opening = new AbortController();
    const ready = this.#pool.acquire(server.name, opening.signal);
    const who = { server: server.name, subject, session: session?.key };
    let stopTimer = () => {};
    let known: Ready | undefined;
    /** Undefined: it has ended by itself. */
    let ended: string | undefined;
    const kept: Kept = {
      subject,
      ready,
      calls: 0,
      turns: Promise.resolve(),
      wake: () => {
        stopTimer();
        if (kept.calls === 0 && this.#kept.get(owner) === kept) stopTimer = this.#clock.setTimer(overdue, idle);
      },
      end: (why) => {
        ended ??= why;
        forget();
        opening.abort();
        known?.session.fail(new UpstreamFailure('isolation', why));
      },
    };
    const overdue = () => {
      // Without a session this is how one ends; in a session that goes on, its client does not know.
      if (session !== undefined) this.#markLost(owner, 'it was not used any more');
      kept.end('it was not used any more');
    };
    const over = () => {
      this.#lost.delete(owner);
      kept.end('the session has ended');
    };
    const forget = () => {
      if (this.#kept.get(owner) !== kept) return;
      this.#kept.delete(owner);
      stopTimer();
      session?.ended.removeEventListener('abort', over);
      release();
    };
    this.#kept.set(owner, kept);
    session?.ended.addEventListener('abort', over, { once: true });
    ready.then(
      (opened) => {
        known = opened;
        if (ended !== undefined) opened.session.fail(new UpstreamFailure('isolation', ended));
        else this.#log({ event: 'sandbox-kept', ...who, sandbox: opened.session.sandbox.id });
        void opened.session.ended.then(({ detail }) => {
          if (ended === undefined && kept.calls === 0) this.#markLost(owner, detail);
          forget();
          this.#log({
            event: 'sandbox-kept-ended',
            ...who,
            sandbox: opened.session.sandbox.id,
            detail: ended ?? detail,
          });
        });
      },
      () => forget(),
    );
    return kept;
  }

  /** Takes it from a sandbox of the subject's own that does nothing, where the subject has too many; never from others'. */
  #room(server: SandboxedServer, subject: string): () => void {
    const hold = () => this.#pool.hold(server.name, subject, 'kept');
    const release = hold() ?? (this.#evict(subject) ? hold() : undefined);
    if (release === undefined) throw new UpstreamFailure('overload', 'no room for one more sandbox that is kept');
    return release;
  }

  #evict(subject: string): boolean {
    const why = 'it made room for another one of its subject';
    for (const [owner, kept] of this.#kept) {
      if (kept.subject !== subject || kept.calls > 0) continue;
      this.#markLost(owner, why);
      kept.end(why);
      return true;
    }
    return false;
  }

  #markLost(owner: string, why: string): void {
    this.#lost.set(owner, why);
    for (const oldest of this.#lost.keys()) {
      if (this.#lost.size <= MAX_LOST) break;
      this.#lost.delete(oldest);
    }
  }
}

/** Has the calls of one sandbox run one after the other. */
async function inTurn<T>(kept: Kept, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const before = kept.turns;
  const over = Promise.withResolvers<void>();
  kept.turns = over.promise;
  try {
    await unlessAborted(before, signal);
    return await work();
  } finally {
    void before.then(over.resolve);
  }
}

/** @throws UpstreamFailure when nobody waits any more; others may wait for the same */
async function unlessAborted<T>(awaited: Promise<T>, signal: AbortSignal): Promise<T> {
  const gone = Promise.withResolvers<never>();
  const abort = () => gone.reject(cancelled());
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([awaited, gone.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
