import { StateUnavailable } from '../../../contract/state-store.ts';

/** Milliseconds that a call waits for a store that has just gone away; then it is not waited for. */
const GRACE = 1000;

/** The store is away, and why; or back. */
export type StoreEvent = { readonly away: string } | { readonly back: true };

/** Whether the store is there, as those who ask it find: nobody asks a store that is known to be away. */
export class Presence {
  readonly #told: (event: StoreEvent) => void;
  #away: string | undefined;
  #isTold = false;
  #timer: NodeJS.Timeout | undefined;
  #grace = Promise.withResolvers<void>();

  /** @param told once when it has been away for longer than the grace, and once when it is back after that */
  constructor(told: (event: StoreEvent) => void) {
    this.#told = told;
  }

  get isAway(): boolean {
    return this.#away !== undefined;
  }

  failed(why: string): void {
    if (this.#away === undefined) {
      this.#grace = Promise.withResolvers();
      this.#timer = setTimeout(() => this.#tell(), GRACE);
      this.#timer.unref();
    }
    this.#away = why;
  }

  found(): void {
    if (this.#away === undefined) return;
    this.#away = undefined;
    clearTimeout(this.#timer);
    this.#grace.resolve();
    if (this.#isTold) this.#told({ back: true });
    this.#isTold = false;
  }

  /** Resolves when it is there. @throws StateUnavailable, after the grace */
  async demand(): Promise<void> {
    if (this.#away === undefined) return;
    await this.#grace.promise;
    if (this.#away !== undefined) throw new StateUnavailable(this.#away);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#grace.resolve();
  }

  #tell(): void {
    this.#grace.resolve();
    this.#isTold = true;
    this.#told({ away: this.#away ?? '' });
  }
}
