import { randomBytes } from 'node:crypto';
import { Refusal } from '../../contract/refusal.ts';
import { type Soon, when } from '../../contract/soon.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { HeldCall } from './held-call.ts';

/** Bounds on calls that wait for their clients. */
export interface HoldingLimits {
  readonly perSubject: number;
  readonly total: number;
  /** Milliseconds from one answer to the client's next request. */
  readonly deadline: number;
}

export const holding: HoldingLimits = { perSubject: 4, total: 256, deadline: 5 * 60_000 };

interface Held {
  readonly call: HeldCall;
  readonly subject: string;
  readonly timer: NodeJS.Timeout;
}

/** Calls that wait for their clients to come back. They outlive requests and bundles, not this process. */
export class HeldCalls {
  /** The name of this replica; undefined: it is the only one. */
  readonly home: string | undefined;
  readonly #limits: HoldingLimits;
  readonly #held = new Map<string, Held>();
  /** The ids of each subject's, the oldest first. */
  readonly #ids = new Map<string, Set<string>>();

  constructor(limits: HoldingLimits = holding, home?: string) {
    this.home = home;
    this.#limits = limits;
  }

  /**
   * Holds a call until its deadline. A subject that has too many loses its oldest, which it has most likely forgotten;
   * nobody's calls make another subject lose one.
   * @returns the random id by which it can be taken once
   * @throws Refusal overload; the call is then cancelled
   */
  put(call: HeldCall): string {
    const { subject } = call;
    const { perSubject, total, deadline } = this.#limits;
    const ids = this.#ids.get(subject) ?? new Set();
    const [oldest] = ids;
    if (oldest !== undefined && ids.size >= perSubject) this.take(oldest)?.cancel();
    if (this.#held.size >= total) {
      call.cancel();
      throw new Refusal('overload', `${total} calls are held`);
    }
    const id = randomBytes(16).toString('base64url');
    const timer = setTimeout(() => this.take(id)?.cancel(), deadline).unref();
    this.#held.set(id, { call, subject, timer });
    this.#ids.set(subject, ids.add(id));
    return id;
  }

  /** The call of that id, which nobody can take again; undefined: there is none. */
  take(id: string): HeldCall | undefined {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    this.#held.delete(id);
    clearTimeout(held.timer);
    const ids = this.#ids.get(held.subject);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(held.subject);
    return held.call;
  }

  /** Cancels those of them: nothing of a call that may not go on any more keeps a sandbox. */
  end(which: (call: Admitted) => Soon<boolean>): void {
    for (const [id, { call }] of [...this.#held])
      void when(which(call.admitted), (ends) => {
        if (ends) this.take(id)?.cancel();
      });
  }

  /** Cancels all of them. */
  close(): void {
    for (const id of [...this.#held.keys()]) this.take(id)?.cancel();
  }
}
