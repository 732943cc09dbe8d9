import type { UpstreamCall } from '../../contract/upstream.ts';
import type { Message } from './message.ts';
import { UpstreamFailure } from './upstream.ts';

/** During one request of ours. */
const MAX_ASKS = 100;
const MAX_OPEN_ASKS = 16;
const MAX_PINGS = 1000;
const MAX_NOTIFICATIONS = 1000;

/** Who hears what a server sends beside its answer. */
export interface AsideListener {
  /** Receives a whole notification and its method. Absent: notifications are dropped. */
  readonly notify?: ((raw: string, method: string) => void) | undefined;
  /** Absent: nobody can be asked. */
  readonly ask?: UpstreamCall['ask'] | undefined;
  /** Sends the server the raw JSON-RPC response to a request of its own. */
  respond(response: string): void;
  /** The first of the server's requests has become open (true), or the last one is closed (false). */
  onAsking?(open: boolean): void;
}

/** What a server sends beside the answer to one request of ours. */
export class Asides {
  readonly #listener: AsideListener;
  /** Every id that the server has used; a request's id is never used twice (JSON-RPC 2.0 §4, MCP base protocol). */
  #used = new Set<string | number>();
  readonly #open = new Set<string | number>();
  #asks = 0;
  #pings = 0;
  #notifications = 0;
  #ended = false;

  constructor(listener: AsideListener) {
    this.#listener = listener;
  }

  /**
   * Answers `ping`, has the other requests answered by `ask`, and passes notifications on, the first thousand of them.
   * @throws UpstreamFailure when the server asks without end, or uses an id twice
   */
  receive(message: Exclude<Message, { kind: 'answer' }>): void {
    if (this.#ended) return;
    if (message.kind === 'request') this.#request(message);
    else if (message.method === 'notifications/cancelled' && this.#cancelled(message.params?.requestId)) return;
    else if (++this.#notifications <= MAX_NOTIFICATIONS) this.#listener.notify?.(message.raw, message.method);
  }

  /** Grants all of it once more. */
  renew(): void {
    this.#asks = 0;
    this.#notifications = 0;
    this.#pings = 0;
    this.#used = new Set(this.#open);
  }

  /** Whether it is the id of a request of the server's own. */
  hasAsked(id: unknown): boolean {
    return (typeof id === 'string' || typeof id === 'number') && this.#used.has(id);
  }

  /** The request is over: nothing more is passed on, and what is still open is not answered. */
  end(): void {
    this.#ended = true;
    this.#open.clear();
  }

  #request({ id, key, method, params }: Message & { kind: 'request' }): void {
    if (this.#used.has(key)) throw new UpstreamFailure('upstream', `the server used the request id ${id} twice`);
    this.#used.add(key);
    const respond = (outcome: string) => this.#listener.respond(`{"jsonrpc":"2.0","id":${id},${outcome}}`);
    if (method === 'ping') {
      if (++this.#pings > MAX_PINGS) throw tooMany(MAX_PINGS, 'pings by the server');
      respond('"result":{}');
      return;
    }
    if (++this.#asks > MAX_ASKS) throw tooMany(MAX_ASKS, 'requests by the server');
    if (this.#listener.ask === undefined) {
      respond('"error":{"code":-32601,"message":"Method not found"}');
      return;
    }
    if (this.#open.size >= MAX_OPEN_ASKS) throw tooMany(MAX_OPEN_ASKS, 'requests by the server at the same time');
    this.#open.add(key);
    if (this.#open.size === 1) this.#listener.onAsking?.(true);
    if (this.#ended) return;
    void this.#listener.ask({ method, params }).then(({ kind, raw }) => {
      if (this.#close(key)) respond(`"${kind}":${raw}`);
    });
  }

  /** Whether it was a request of the server's own that the server takes back. */
  #cancelled(id: unknown): boolean {
    if (typeof id === 'string' || typeof id === 'number') this.#close(id);
    return this.hasAsked(id);
  }

  #close(key: string | number): boolean {
    if (!this.#open.delete(key)) return false;
    if (this.#open.size === 0) this.#listener.onAsking?.(false);
    return true;
  }
}

function tooMany(max: number, what: string): UpstreamFailure {
  return new UpstreamFailure('upstream', `more than ${max} ${what}`);
}
