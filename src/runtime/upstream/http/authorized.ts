import type { Dispatcher } from 'undici';
import type { Authorization } from '../../../contract/upstream.ts';
import { broken } from './failures.ts';
import type { Headers } from './head.ts';
import type { Connections, Target } from './target.ts';

/** The same connections, on which every request carries what `authorization` has for it at that moment. */
export function authorized({ calls, side, streams, path }: Target, authorization: Authorization): Target {
  const carrying = (connections: Connections): Connections => new Carrying(connections, authorization);
  return { calls: carrying(calls), side: carrying(side), streams: carrying(streams), path };
}

class Carrying {
  readonly #connections: Connections;
  readonly #authorization: Authorization;

  constructor(connections: Connections, authorization: Authorization) {
    this.#connections = connections;
    this.#authorization = authorization;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    void this.#send(options, handler).catch((error: Error) => {
      // Nothing was sent; the one who asked hears of it as of a connection that could not be had.
      handler.onResponseError?.(NO_CONNECTION, broken(error));
    });
    return true;
  }

  async #send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): Promise<void> {
    const given = (options.headers ?? []) as string[];
    const at = given.indexOf('authorization');
    const own = at < 0 ? undefined : given[at + 1];
    const headers = [...given, ...(await this.#authorization.headers(options.method, own))];
    this.#connections.dispatch({ ...options, headers }, new Listening(handler, this.#authorization));
  }

  destroy(): Promise<void> {
    return this.#connections.destroy();
  }
}

/** What nobody can stop any more, because it has not begun. */
const NO_CONNECTION: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  rawHeaders: null,
  rawTrailers: null,
  abort() {},
  pause() {},
  resume() {},
};

/** Hands everything on, and reads one header field. */
class Listening implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #authorization: Authorization;

  constructor(handler: Dispatcher.DispatchHandler, authorization: Authorization) {
    this.#handler = handler;
    this.#authorization = authorization;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    const { 'dpop-nonce': nonce } = headers;
    if (typeof nonce === 'string') this.#authorization.nonce(nonce);
    this.#handler.onResponseStart?.(controller, status, { ...headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#handler.onResponseEnd?.(controller, { ...trailers });
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error);
  }
}
