import { Agent, request } from 'undici';

export interface Gateway {
  /** The MCP URL. */
  readonly url: string;
  /** PEM of the authority that signed the edge's certificate. */
  readonly ca: string;
  /** A token that is good for some minutes yet. */
  token(): Promise<string>;
}

export type Headers = Readonly<Record<string, string>>;
export type Reply = Awaited<ReturnType<typeof request>>;

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
    const options = { connect: { ca: gateway.ca }, headersTimeout: 0, bodyTimeout: 0 };
    this.#gateway = gateway;
    this.#calls = new Agent({ ...options, connections: CALLS });
    this.#asides = new Agent(options);
  }

  /** The token that the next request goes with. */
  token(): Promise<string> {
    return this.#gateway.token();
  }

  async post(body: string, headers: Headers, signal: AbortSignal, isCall: boolean): Promise<Reply> {
    return request(this.#gateway.url, {
      dispatcher: isCall ? this.#calls : this.#asides,
      method: 'POST',
      headers: {
        ...(await this.#authorization()),
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body,
      signal,
    });
  }

  async get(headers: Headers, signal: AbortSignal): Promise<Reply> {
    const own = { ...(await this.#authorization()), accept: 'text/event-stream' };
    return request(this.#gateway.url, { dispatcher: this.#asides, headers: { ...own, ...headers }, signal });
  }

  /** Never rejects: a session that cannot be ended ends by itself. */
  async delete(headers: Headers): Promise<void> {
    const signal = AbortSignal.timeout(DELETE_WITHIN);
    try {
      const all = { ...(await this.#authorization()), ...headers };
      const reply = await request(this.#gateway.url, {
        dispatcher: this.#asides,
        method: 'DELETE',
        headers: all,
        signal,
      });
      await reply.body.dump();
    } catch {
      // The gateway is gone, and the session with it.
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), this.#asides.destroy()]);
  }

  async #authorization(): Promise<Headers> {
    return { authorization: `Bearer ${await this.token()}` };
  }
}
