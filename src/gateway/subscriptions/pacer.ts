import type { Clock } from '../../contract/clock.ts';

/** Milliseconds between two updates of one resource, or of one list. */
const INTERVAL = 200;

/**
 * Lets the first of a burst through at once and of the rest only the last: an update says no more than that the
 * resource should be read again, so that none is lost by that, and a server cannot flood its client.
 */
export class Pacer<Value> {
  readonly #clock: Clock;
  readonly #send: (value: Value) => void;
  /** Keys whose interval runs; what gives up its timer, and what waits for its end. */
  readonly #running = new Map<string, { stop(): void; waiting: Value | undefined }>();

  constructor(clock: Clock, send: (value: Value) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  push(key: string, value: Value): void {
    const running = this.#running.get(key);
    if (running !== undefined) running.waiting = value;
    else this.#pass(key, value);
  }

  stop(): void {
    for (const { stop } of this.#running.values()) stop();
    this.#running.clear();
  }

  #pass(key: string, value: Value): void {
    this.#running.set(key, { stop: this.#clock.setTimer(() => this.#over(key), INTERVAL), waiting: undefined });
    this.#send(value);
  }

  #over(key: string): void {
    const waiting = this.#running.get(key)?.waiting;
    this.#running.delete(key);
    if (waiting !== undefined) this.#pass(key, waiting);
  }
}
