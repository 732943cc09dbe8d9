import { isDeepStrictEqual } from 'node:util';
import type { TrustBundle } from './trust-bundle.ts';

/** The bundle of the trust domain that is in force now. */
export interface TrustSource {
  current(): TrustBundle;
  close(): void;
}

export interface TrustWatcher {
  /** Another bundle is in force. */
  readonly changed: () => void;
  /** What could not be read; the bundle before stays. */
  readonly fault: (message: string) => void;
}

/** Keeps the newest bundle, and tells of those that differ from the one before. */
export class LatestBundle {
  #bundle: TrustBundle;
  readonly #watcher: TrustWatcher;

  constructor(first: TrustBundle, watcher: TrustWatcher) {
    this.#bundle = first;
    this.#watcher = watcher;
  }

  get bundle(): TrustBundle {
    return this.#bundle;
  }

  put(next: TrustBundle): void {
    if (isDeepStrictEqual(next, this.#bundle)) return;
    this.#bundle = next;
    this.#watcher.changed();
  }
}
