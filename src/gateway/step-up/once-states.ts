import { createHash } from 'node:crypto';
import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';

/** Milliseconds; no sealed state is good for longer. */
const KEPT = 15 * 60_000;

/** Request states that a confirmed call has gone on by: each takes it on once, at one of all replicas. */
export class OnceStates {
  readonly #store: Pick<StateStore, 'once'>;

  constructor(store: Pick<StateStore, 'once'>) {
    this.#store = store;
  }

  /** True the first time; false too where nobody can tell: then the call is confirmed anew. */
  async take(state: string): Promise<boolean> {
    const digest = createHash('sha256').update(state).digest('base64url');
    try {
      return await this.#store.once(`request state ${digest}`, KEPT);
    } catch (error) {
      if (error instanceof StateUnavailable) return false;
      throw error;
    }
  }
}
