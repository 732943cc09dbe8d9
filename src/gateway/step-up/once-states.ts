import { createHash } from 'node:crypto';

/** Milliseconds; no sealed state is good for longer. */
const KEPT = 15 * 60_000;
/** Beyond it no state takes a call on: each is confirmed anew. */
const MAX = 100_000;

/** Request states that a confirmed call has gone on by: each takes it on once. */
export class OnceStates {
  readonly #now: () => number;
  readonly #taken = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True the first time; false too where there is no room to remember it. */
  take(state: string): boolean {
    const now = this.#now();
    for (const [old, at] of this.#taken) {
      if (at + KEPT > now) break;
      this.#taken.delete(old);
    }
    const digest = createHash('sha256').update(state).digest('base64url');
    if (this.#taken.has(digest) || this.#taken.size >= MAX) return false;
    this.#taken.set(digest, now);
    return true;
  }
}
