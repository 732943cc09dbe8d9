import type { Caller } from '../../contract/caller.ts';
import type { ServerRequest } from '../../contract/upstream.ts';

/** A call's client, whose signal is aborted too when the call is stopped; else the same. */
export class StoppableCaller implements Caller {
  readonly signal: AbortSignal;
  readonly #caller: Caller;

  constructor(caller: Caller, stopped: AbortSignal) {
    this.#caller = caller;
    this.signal = AbortSignal.any([caller.signal, stopped]);
  }

  get capabilities() {
    return this.#caller.capabilities;
  }

  get logLevel() {
    return this.#caller.logLevel;
  }

  get session() {
    return this.#caller.session;
  }

  get ask() {
    const caller = this.#caller;
    return caller.ask && ((request: ServerRequest) => caller.ask?.(request) ?? Promise.reject(new Error('no session')));
  }

  get defer() {
    const caller = this.#caller;
    return caller.defer && (() => caller.defer?.());
  }

  notify(message: string): void {
    this.#caller.notify(message);
  }
}
