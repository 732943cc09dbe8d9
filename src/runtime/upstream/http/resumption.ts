import { asFailure, UpstreamFailure } from '../upstream.ts';
import { HttpFailure } from './failures.ts';
import { HeldStream } from './held-stream.ts';
import type { Wire } from './wire.ts';

/** Milliseconds: where the server says nothing; and however little, or much, it says. */
const RETRY = 1000;
const MIN_RETRY = 100;
const MAX_RETRY = 10 * 60 * 1000;
/** Times in a row that bring nothing, and times at all. */
const MAX_FRUITLESS = 5;
const MAX_ATTEMPTS = 1000;
/** The server still holds the stream that broke. */
const CONFLICT = 409;

export interface Resumed {
  /** As in StreamListener. */
  data(text: string): void;
  failed(failure: UpstreamFailure): void;
}

/**
 * Comes back for an answer whose stream ended early (MCP 2025-11-25 transports, Resumability): GET with the id of the
 * last event, after the time that the server named.
 */
export class Resumption {
  readonly #wire: Wire;
  readonly #headers: string[];
  readonly #resumed: Resumed;
  #stream: HeldStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string;
  #retry = RETRY;
  #attempts = 0;
  #fruitless = 0;

  constructor(wire: Wire, headers: string[], lastId: string, resumed: Resumed) {
    this.#wire = wire;
    this.#headers = headers;
    this.#lastId = lastId;
    this.#resumed = resumed;
  }

  /** @param retry milliseconds that the server asked for; undefined: it said nothing new */
  again(retry: number | undefined): void {
    if (retry !== undefined) this.#retry = Math.min(Math.max(retry, MIN_RETRY), MAX_RETRY);
    if (++this.#attempts > MAX_ATTEMPTS || this.#fruitless >= MAX_FRUITLESS)
      this.#resumed.failed(new UpstreamFailure('upstream', 'a stream that ends again and again'));
    else this.#timer = setTimeout(() => this.#open(), this.#retry);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stream?.close();
  }

  #open(): void {
    const headers = [...this.#headers, 'last-event-id', this.#lastId];
    try {
      this.#stream = new HeldStream(
        this.#wire,
        { method: 'GET', headers, body: null },
        {
          data: (text) => this.#resumed.data(text),
          ended: (failure) => this.#ended(failure),
        },
      );
    } catch (error) {
      this.#resumed.failed(asFailure(error));
    }
  }

  #ended(failure: UpstreamFailure | undefined): void {
    const conflict = failure instanceof HttpFailure && failure.status === CONFLICT;
    // Not an HttpFailure: the call has begun over there, so nothing may take this for a call that never did.
    if (failure !== undefined && !conflict) {
      this.#resumed.failed(new UpstreamFailure(failure.code, `not resumed: ${failure.detail}`));
      return;
    }
    const { lastId, retry } = this.#stream?.position ?? {};
    this.#fruitless = lastId === undefined || lastId === this.#lastId ? this.#fruitless + 1 : 0;
    if (lastId !== undefined) this.#lastId = lastId;
    this.again(retry);
  }
}
