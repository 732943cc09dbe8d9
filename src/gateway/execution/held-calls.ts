import { randomBytes } from 'node:crypto';
import { Refusal } from '../../contract/refusal.ts';
import type { HeldCall } from './held-call.ts';

/** Bounds on calls that wait for their clients; `deadline` in milliseconds, from one answer to the next request. */
export interface HoldingLimits {
  readonly perSubject: number;
  readonly total: number;
  readonly deadline: number;
}

export const holding: HoldingLimits = { perSubject: 8, total: 256, deadline: 5 * 60_000 };

interface Held {
  readonly call: HeldCall;
  readonly subject: string;
  readonly timer: NodeJS.Timeout;
}

/** Calls that wait for their clients to come back. They outlive requests and bundles, not this process. */
export class HeldCalls {
  readonly #limits: HoldingLimits;
  readonly #held = new Map<string, Held>();
  readonly #counts = new Map<string, number>();

  constructor(limits: HoldingLimits = holding) {
    this.#limits = limits;
  }

  /**
   * Holds a call until its deadline.
   * @returns the random id by which it can be taken once
   * @throws Refusal overload; the call is then cancelled
   */
  put(call: HeldCall): string {
    const { subject } = call;
    const count = this.#counts.get(subject) ?? 0;
    const { perSubject, total, deadline } = this.#limits;
    if (count >= perSubject || this.#held.size >= total) {
      call.cancel();
      throw new Refusal('overload', `${count} of ${this.#held.size} held calls are the subject's`);
    }
    const id = randomBytes(16).toString('base64url');
    const timer = setTimeout(() => this.take(id)?.cancel(), deadline).unref();
    this.#held.set(id, { call, subject, timer });
    this.#counts.set(subject, count + 1);
    return id;
  }

  /** The call of that id, which nobody can take again; undefined: there is none. */
  take(id: string): HeldCall | undefined {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    this.#held.delete(id);
    clearTimeout(held.timer);
    const count = (this.#counts.get(held.subject) ?? 1) - 1;
    if (count === 0) this.#counts.delete(held.subject);
    else this.#counts.set(held.subject, count);
    return held.call;
  }

  /** Cancels all of them. */
  close(): void {
    for (const id of [...this.#held.keys()]) this.take(id)?.cancel();
  }
}
