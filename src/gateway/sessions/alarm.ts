import type { Clock } from '../../contract/clock.ts';

/** Milliseconds after which a far time is looked at again: timers of one length share a list, others cost one each. */
const LOOK_AGAIN = 60_000;

/** Rings once, at a time that may move: a time that moved away costs nothing until the old one has come. */
export class Alarm {
  readonly #clock: Clock;
  readonly #due: () => number;
  readonly #ring: () => void;
  #armed = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  /** @param due when to ring, in milliseconds since the epoch; asked again and again */
  constructor(clock: Clock, due: () => number, ring: () => void) {
    this.#clock = clock;
    this.#due = due;
    this.#ring = ring;
    this.check();
  }

  /** To be called where the time may have come nearer. */
  check(): void {
    const due = this.#due();
    if (due >= this.#armed) return;
    this.stop();
    this.#armed = due;
    this.#cancel = this.#clock.setTimer(() => this.#wake(), Math.min(Math.max(due - this.#clock.now(), 0), LOOK_AGAIN));
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
  }

  #wake(): void {
    this.stop();
    if (this.#clock.now() >= this.#due()) this.#ring();
    else this.check();
  }
}
