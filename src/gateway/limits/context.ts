import type { CallerSession } from '../../contract/caller.ts';
import type { ContextLimit } from '../../contract/limits.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';
import { tooMany } from './stage.ts';

/** Bytes below which there is no use in what is left: a call may still be made when its answer can be cut to that. */
const USEFUL = 4096;
/** Subjects whose time is over are looked for when there are so many. */
const SWEEP = 10_000;

interface Given {
  bytes: number;
  /** Milliseconds: when it counts no more. */
  readonly until: number;
}

/**
 * How many bytes of answers a session has been given, all of which its model has in its context; without a session,
 * its subject in a time that begins with the first of them. Outlives bundles.
 */
export class ContextBudgets {
  /** Milliseconds since whenever; never goes back or jumps. */
  readonly #steady: () => number;
  readonly #bySession = new WeakMap<CallerSession, Given>();
  readonly #bySubject = new Map<string, Given>();

  constructor(steady: () => number) {
    this.#steady = steady;
  }

  /**
   * Bytes that may yet be given.
   * @throws Refusal context, when a session has had all; rate, when a subject has for now
   */
  left(subject: Subject, session: CallerSession | undefined, limit: ContextLimit | undefined): number {
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    const { bytes, until } = this.#given(subject, session) ?? { bytes: 0, until: 0 };
    if (bytes + USEFUL <= limit.bytes) return limit.bytes - bytes;
    if (session !== undefined) throw new Refusal('context', `the session was given ${bytes} of ${limit.bytes} bytes`);
    throw tooMany(`bytes of answers to ${subject.key}`, until - this.#steady());
  }

  take(subject: Subject, session: CallerSession | undefined, limit: ContextLimit | undefined, bytes: number): void {
    if (limit === undefined) return;
    const given = this.#given(subject, session);
    if (given !== undefined) given.bytes += bytes;
    else if (session !== undefined) this.#bySession.set(session, { bytes, until: Number.POSITIVE_INFINITY });
    else {
      if (this.#bySubject.size >= SWEEP) this.#sweep();
      this.#bySubject.set(subject.key, { bytes, until: this.#steady() + limit.window });
    }
  }

  #given(subject: Subject, session: CallerSession | undefined): Given | undefined {
    if (session !== undefined) return this.#bySession.get(session);
    const given = this.#bySubject.get(subject.key);
    return given !== undefined && given.until > this.#steady() ? given : undefined;
  }

  #sweep(): void {
    for (const [key, { until }] of this.#bySubject) if (until <= this.#steady()) this.#bySubject.delete(key);
  }
}
