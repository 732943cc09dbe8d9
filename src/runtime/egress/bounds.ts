import { EgressDenied } from './denied.ts';

interface Most {
  readonly connections: number;
  /** Both ways together, within `period`. */
  readonly bytes: number;
  /** Milliseconds; for a sandbox: all of its life. */
  readonly period: number;
}

/** One sandbox, and all sandboxes of one server. */
export const SANDBOX: Most = { connections: 64, bytes: 1024 ** 3, period: Number.POSITIVE_INFINITY };
export const SERVER: Most = { connections: 512, bytes: 16 * 1024 ** 3, period: 60 * 60 * 1000 };

/** Counts connections and bytes against what is allowed. */
export class Bounds {
  readonly #most: Most;
  readonly #now: () => number;
  readonly #within: Bounds | undefined;
  #connections = 0;
  #bytes = 0;
  #since: number;

  /**
   * @param now milliseconds since the epoch
   * @param within is counted against as well
   */
  constructor(most: Most, now: () => number, within?: Bounds) {
    this.#most = most;
    this.#now = now;
    this.#within = within;
    this.#since = now();
  }

  /** @returns what gives the place back. @throws EgressDenied */
  enter(): () => void {
    if (this.#connections >= this.#most.connections)
      throw new EgressDenied('limit', `${this.#connections} connections at once`);
    const leaveOuter = this.#within?.enter();
    this.#connections++;
    return () => {
      this.#connections--;
      leaveOuter?.();
    };
  }

  /** @throws EgressDenied when these are too many */
  spend(bytes: number): void {
    if (this.#now() - this.#since > this.#most.period) {
      this.#since = this.#now();
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    if (this.#bytes > this.#most.bytes) throw new EgressDenied('limit', `more than ${this.#most.bytes} bytes`);
    this.#within?.spend(bytes);
  }
}
