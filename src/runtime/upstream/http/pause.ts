import type { Wire } from './wire.ts';

/** Milliseconds that clients may take over one call, all in all. */
const MAX_PAUSE = 10 * 60 * 1000;

/** The time in which a call waits for its client; its own deadline stands still meanwhile. */
export class Pause {
  readonly #wire: Wire;
  readonly #subject: string;
  #since: number | undefined;
  #spent = 0;

  constructor(wire: Wire, subject: string) {
    this.#wire = wire;
    this.#subject = subject;
  }

  /** Whether the client may be asked: not every connection may wait for people. */
  get may(): boolean {
    return this.#wire.held.mayHold(this.#subject);
  }

  /** When it must be over; undefined: it is no pause now. */
  get until(): number | undefined {
    return this.#since === undefined ? undefined : this.#since + MAX_PAUSE - this.#spent;
  }

  begin(): void {
    this.#since = this.#wire.watch.now;
    this.#wire.held.hold(this.#subject);
  }

  /** @returns how long it took; nothing where there was none */
  end(): number {
    if (this.#since === undefined) return 0;
    const took = this.#wire.watch.now - this.#since;
    this.#since = undefined;
    this.#spent += took;
    this.#wire.held.release(this.#subject);
    return took;
  }
}
