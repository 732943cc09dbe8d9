import type { Dispatcher } from 'undici';
import { asFailure, UpstreamFailure } from '../upstream.ts';
import { EventReader } from './event-reader.ts';
import { bad, broken, HttpFailure } from './failures.ts';
import { bodyKind, type Headers } from './head.ts';
import type { Wire } from './wire.ts';

/** In so many milliseconds: the events, and the bytes beside one message of the largest size. */
const WINDOW = 10_000;
const MAX_EVENTS = 1000;
const MAX_EXTRA_BYTES = 1024 * 1024;

export interface StreamRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: string[];
  readonly body: Buffer | null;
}

export interface StreamListener {
  /** The server has accepted: a 200 with an event stream. Some say so with the first event only. */
  opened?(): void;
  /** The data of one event. What it throws ends the stream. */
  data(text: string): void;
  /** Once, unless it was closed from our side. `failure` is undefined where the server ended it in good order. */
  ended(failure: UpstreamFailure | undefined): void;
}

/** An event stream that is held open for as long as it is wanted. What comes on it is bounded by rate, not by sum. */
export class HeldStream implements Dispatcher.DispatchHandler {
  readonly #wire: Wire;
  readonly #listener: StreamListener;
  readonly #events: EventReader;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #status = 0;
  #windowEnd = 0;
  #bytes = 0;
  #count = 0;

  /** @throws UpstreamFailure `overload` when too many are open */
  constructor(wire: Wire, { method, headers, body }: StreamRequest, listener: StreamListener) {
    wire.streams.take();
    this.#wire = wire;
    this.#listener = listener;
    this.#events = new EventReader(wire.maxResult, (data) => {
      if (this.#over) return;
      if (++this.#count > MAX_EVENTS)
        throw new UpstreamFailure('size', `more than ${MAX_EVENTS} events in ${WINDOW} ms`);
      listener.data(data);
    });
    const { path, streams } = wire.target;
    streams.dispatch({ path, method, headers, body }, this);
  }

  /** What to repeat in `Last-Event-ID`, and milliseconds to wait before. */
  get position(): { readonly lastId: string | undefined; readonly retry: number | undefined } {
    return { lastId: this.#events.lastId, retry: this.#events.retry };
  }

  /** Nobody wants it any more. */
  close(): void {
    if (this.#over) return;
    this.#finish();
    this.#controller?.abort(new UpstreamFailure('upstream', 'closed'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new UpstreamFailure('upstream', 'closed'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.#over) return;
    this.#status = status;
    const kind = status === 200 ? bodyKind(headers) : new HttpFailure(status, Buffer.alloc(0));
    if (kind === 'events') this.#listener.opened?.();
    else this.#end(kind === 'json' ? bad('no event stream') : kind);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    const now = performance.now();
    if (now >= this.#windowEnd) [this.#windowEnd, this.#bytes, this.#count] = [now + WINDOW, 0, 0];
    this.#bytes += chunk.length;
    try {
      if (this.#bytes > this.#wire.maxResult + MAX_EXTRA_BYTES)
        throw new UpstreamFailure('size', `more than ${this.#bytes} bytes of events in ${WINDOW} ms`);
      this.#events.push(chunk);
    } catch (error) {
      this.#end(asFailure(error));
    }
  }

  onResponseEnd(): void {
    this.#end(undefined);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    // A connection that breaks under an open stream ends it as well as any other end does.
    this.#end(this.#status === 200 && !(error instanceof UpstreamFailure) ? undefined : broken(error));
  }

  #end(failure: UpstreamFailure | undefined): void {
    if (this.#over) return;
    this.#finish();
    if (failure !== undefined) this.#controller?.abort(failure);
    this.#listener.ended(failure);
  }

  #finish(): void {
    this.#over = true;
    this.#wire.streams.give();
  }
}
