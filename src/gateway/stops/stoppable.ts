import type { Caller } from '../../contract/caller.ts';
import type { ServerRequest } from '../../contract/upstream.ts';

/** A call's client, whose signal is aborted too when the call is stopped; else the same. */
export class StoppableCaller implements Caller {
  /** One listener costs a tenth of `AbortSignal.any`, and leaves the garbage collector nothing to look after. */
  readonly #abort = new AbortController();
  readonly #caller: Caller;
  readonly #end: AbortSignal;
  isStopped = false;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#end = caller.signal;
    if (this.#end.aborted) this.#gone();
    else this.#end.addEventListener('abort', this.#gone, { once: true });
  }

  readonly #gone = (): void => this.#abort.abort(this.#end.reason);

  /** @param reason of its signal's abort */
  stop(reason: Error): void {
    this.isStopped = true;
    this.#abort.abort(reason);
  }

  /** The call is over: its client's end is nothing to it any more. */
  over(): void {
    this.#end.removeEventListener('abort', this.#gone);
  }

  get signal() {
    return this.#abort.signal;
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
