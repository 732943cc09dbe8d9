import { Agent, request } from 'undici';
import type { Prover } from './prover.ts';

export interface Gateway {
  /** The MCP URL. */
  readonly url: string;
  /** PEM of the authority that signed the edge's certificate. */
  readonly ca: string;
  /** A token that is good for some minutes yet, bound to the prover's key. */
  token(): Promise<string>;
  readonly prover: Prover;
}

export type Headers = Readonly<Record<string, string>>;
export type Reply = Awaited<ReturnType<typeof request>>;

interface Wish {
  readonly dispatcher?: Agent;
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Headers;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Connections for calls; what comes above waits for one of them. */
const CALLS = 128;
const DELETE_WITHIN = 2000;

/**
 * The bridge's connections to the gateway. What must get through while every call waits (answers to a server's
 * questions, cancellations, the stream for notifications) has connections of its own.
 */
export class Wire {
  readonly #gateway: Gateway;
  readonly #calls: Agent;
  readonly #asides: Agent;

  constructor(gateway: Gateway) {
    const options = { connect: { ca: gateway.ca, minVersion: 'TLSv1.3' as const }, headersTimeout: 0, bodyTimeout: 0 };
    this.#gateway = gateway;
    this.#calls = new Agent({ ...options, connections: CALLS });
    this.#asides = new Agent(options);
  }

  /** The token that the next request goes with. */
  token(): Promise<string> {
    return this.#gateway.token();
  }

  post(body: string, headers: Headers, signal: AbortSignal, isCall: boolean): Promise<Reply> {
    const own = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const dispatcher = isCall ? this.#calls : this.#asides;
    return this.#send({ dispatcher, method: 'POST', headers: { ...own, ...headers }, body, signal });
  }

  get(headers: Headers, signal: AbortSignal): Promise<Reply> {
    return this.#send({ method: 'GET', headers: { accept: 'text/event-stream', ...headers }, signal });
  }

  /** Never rejects: a session that cannot be ended ends by itself. */
  async delete(headers: Headers): Promise<void> {
    try {
      const reply = await this.#send({ method: 'DELETE', headers, signal: AbortSignal.timeout(DELETE_WITHIN) });
      await reply.body.dump();
    } catch {
      // The gateway is gone, and the session with it.
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), this.#asides.destroy()]);
  }

  /** Once more at most: where the gateway gives a nonce and does not take it, another try would not help. */
  async #send(wish: Wish): Promise<Reply> {
    const { url, prover } = this.#gateway;
    const attempt = async (): Promise<Reply> => {
      const headers = { ...(await prover.headers(await this.token(), wish.method, url)), ...wish.headers };
      return request(url, { dispatcher: this.#asides, ...wish, headers });
    };
    const reply = await attempt();
    if (!prover.isChallenged(reply.statusCode, reply.headers['dpop-nonce'])) return reply;
    await reply.body.dump();
    return attempt();
  }
}
