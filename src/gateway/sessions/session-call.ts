import type { Caller, CallerSession } from '../../contract/caller.ts';
import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import type { Asks } from './asks.ts';
import type { Outlet } from './outlet.ts';

export interface SessionCallDeps {
  readonly subject: Subject;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly session: CallerSession;
  readonly outlet: Outlet;
  readonly asks: Asks;
  /** Called once, when it has been answered. */
  readonly over: () => void;
}

/** One request in flight in a session. It outlives its connection: before 2026-07-28 a disconnect is no cancellation. */
export class SessionCall implements Caller {
  readonly subject: Subject;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly session: CallerSession;
  readonly #outlet: Outlet;
  readonly #asks: Asks;
  readonly #over: () => void;
  /** Most calls are never asked for it. */
  #abort: AbortController | undefined;
  #cancelled: Refusal | undefined;
  #answered = false;

  constructor(deps: SessionCallDeps) {
    this.subject = deps.subject;
    this.capabilities = deps.capabilities;
    this.logLevel = deps.logLevel;
    this.session = deps.session;
    this.#outlet = deps.outlet;
    this.#asks = deps.asks;
    this.#over = deps.over;
    this.#outlet.join();
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#cancelled !== undefined) this.#abort.abort(this.#cancelled);
    }
    return this.#abort.signal;
  }

  readonly notify = (message: string): void => {
    if (!this.#isDone()) this.#outlet.send(message);
  };

  readonly ask = (request: ServerRequest): Promise<RpcAnswer> => {
    if (this.#isDone()) return Promise.reject(new Refusal('upstream', 'the call is over'));
    return this.#asks.ask(this, this.#outlet, request);
  };

  /** A call that was cancelled gets no answer (MCP 2025-11-25, Cancellation), save where HTTP must have one. */
  answered(body: string): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#asks.giveUp(this, 'the call is over');
    this.#outlet.leave(this.#cancelled === undefined ? body : undefined);
    this.#over();
  }

  cancel(why: string): void {
    if (this.#isDone()) return;
    this.#asks.giveUp(this, why);
    this.#cancelled = new Refusal('upstream', why);
    this.#abort?.abort(this.#cancelled);
  }

  #isDone(): boolean {
    return this.#answered || this.#cancelled !== undefined;
  }
}
