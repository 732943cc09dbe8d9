import type { Message } from '../message.ts';
import { asFailure, UpstreamFailure } from '../upstream.ts';
import { readText } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { HttpFailure } from './failures.ts';
import { withoutBody } from './headers.ts';
import { HeldStream } from './held-stream.ts';
import type { Wire } from './wire.ts';

/** Milliseconds: that a call waits for the stream; that it stays open when nobody needs it; between two attempts. */
const PATIENCE = 2000;
const LINGER = 30_000;
const RETRY = 1000;
const MIN_RETRY = 250;
const MAX_RETRY = 30_000;
/** Attempts in a row that bring nothing, and milliseconds after which a silent stream was worth its while. */
const MAX_FRUITLESS = 8;
const FRUITFUL = 10_000;
const TOLD: ReadonlySet<string> = new Set(['notifications/resources/updated', 'notifications/resources/list_changed']);
const NOBODY = '"error":{"code":-32603,"message":"No call is under way"}';

/** The session is unknown to the server; another one may be opened. */
export class SessionGone extends UpstreamFailure {}

/** Who is told of changes. */
export interface ChangeListener {
  notify(message: Message & { kind: 'notification' }): void;
  ended(failure: UpstreamFailure): void;
}

/**
 * The one stream of a session that belongs to no request (MCP 2025-11-25 transports, Listening for Messages from the
 * Server). It is open while it is needed, and comes back with the id of its last event.
 *
 * Many servers ask the client here rather than on the call's own stream. Such a request goes to the call of this session
 * that has been under way for longest; the session is one subject's.
 */
export class SessionStream {
  readonly #wire: Wire;
  readonly #headers: string[];
  readonly #calls = new Set<Exchange>();
  readonly #listeners = new Set<ChangeListener>();
  #state: 'closed' | 'opening' | 'open' | 'waiting' | 'over' = 'closed';
  #stream: HeldStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting: ((opened: boolean) => void)[] = [];
  #openedAt = 0;
  #heard = false;
  #fruitless = 0;
  #lastId: string | undefined;

  constructor(wire: Wire, headers: string[]) {
    this.#wire = wire;
    this.#headers = headers;
  }

  /** Opens it if need be. @returns whether it was opened, soon; it may have ended again */
  ready(): Promise<boolean> {
    if (this.#state === 'closed') this.#open();
    if (this.#state !== 'opening' && this.#state !== 'waiting') return Promise.resolve(this.#state === 'open');
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#opened(), PATIENCE);
      this.#waiting.push((opened) => {
        clearTimeout(timer);
        resolve(opened);
      });
    });
  }

  join(call: Exchange): void {
    this.#calls.add(call);
  }

  leave(call: Exchange): void {
    this.#calls.delete(call);
    this.#rest();
  }

  listen(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: ChangeListener): void {
    this.#listeners.delete(listener);
    this.#rest();
  }

  /** The session is over. */
  end(failure: UpstreamFailure): void {
    if (this.#state === 'over') return;
    this.#close();
    this.#state = 'over';
    for (const listener of [...this.#listeners]) listener.ended(failure);
  }

  get #needed(): boolean {
    return this.#calls.size > 0 || this.#listeners.size > 0;
  }

  #rest(): void {
    if (this.#needed || this.#state === 'over') return;
    clearTimeout(this.#timer);
    if (this.#state !== 'open') this.#close();
    else
      this.#timer = setTimeout(() => {
        if (!this.#needed) this.#close();
      }, LINGER).unref();
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stream?.close();
    this.#stream = undefined;
    if (this.#state !== 'over') this.#state = 'closed';
    this.#settled(false);
  }

  #settled(opened: boolean): void {
    for (const tell of this.#waiting.splice(0)) tell(opened);
  }

  #open(): void {
    this.#state = 'opening';
    this.#heard = false;
    const headers = withoutBody(this.#headers);
    if (this.#lastId !== undefined) headers.push('last-event-id', this.#lastId);
    try {
      this.#stream = new HeldStream(
        this.#wire,
        { method: 'GET', headers, body: null },
        {
          opened: () => this.#opened(),
          data: (text) => this.#receive(text),
          ended: (failure) => this.#ended(failure),
        },
      );
    } catch (error) {
      this.#ended(asFailure(error));
    }
  }

  /** It was accepted; or not refused for so long that it only lacks a first event. */
  #opened(): void {
    if (this.#state === 'opening') {
      this.#state = 'open';
      this.#openedAt = performance.now();
    }
    this.#settled(this.#state === 'open');
  }

  #ended(failure: UpstreamFailure | undefined): void {
    const { lastId, retry } = this.#stream?.position ?? {};
    if (lastId !== undefined) this.#lastId = lastId;
    this.#stream = undefined;
    const fruitful = this.#state === 'open' && (this.#heard || performance.now() - this.#openedAt > FRUITFUL);
    this.#fruitless = fruitful ? 0 : this.#fruitless + 1;
    this.#state = 'closed';
    this.#settled(false);
    const status = failure instanceof HttpFailure ? failure.status : undefined;
    if (status === 404) this.end(new SessionGone('upstream', 'the session is over'));
    else if (isFinal(status)) this.end(failure ?? new UpstreamFailure('upstream', 'no stream'));
    else if (this.#fruitless > MAX_FRUITLESS)
      this.end(failure ?? new UpstreamFailure('upstream', 'no stream that lasts'));
    else if (this.#needed) this.#later(retry);
  }

  #later(retry: number | undefined): void {
    const wait = Math.max(retry ?? RETRY, MIN_RETRY) * 2 ** Math.max(0, this.#fruitless - 1);
    this.#state = 'waiting';
    this.#timer = setTimeout(
      () => {
        this.#state = 'closed';
        if (this.#needed) this.#open();
      },
      Math.min(wait, MAX_RETRY),
    ).unref();
  }

  #receive(text: string): void {
    const message = readText(text);
    this.#heard = true;
    this.#wire.stale.heardOf(message);
    // An answer belongs to the stream of its own request; here it answers nothing (MCP 2025-11-25 transports).
    if (message.kind === 'answer') return;
    if (message.kind === 'notification' && TOLD.has(message.method))
      for (const listener of this.#listeners) listener.notify(message);
    else if (message.kind === 'notification' && message.method !== 'notifications/message')
      for (const call of this.#calls) call.aside(message);
    else if (![...this.#calls].some((call) => call.aside(message)) && message.kind === 'request') {
      const outcome = message.method === 'ping' ? '"result":{}' : NOBODY;
      this.#wire.side.post(this.#headers, `{"jsonrpc":"2.0","id":${message.id},${outcome}}`);
    }
  }
}

/** Whether the server offers no such stream, in this session or at all. */
function isFinal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429;
}
