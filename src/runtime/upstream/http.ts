import type { RemoteServer } from '../../contract/bundle.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import { Asides } from './asides.ts';
import { describeServer } from './describe.ts';
import { type Channel, type Era, shakeHands } from './handshake.ts';
import { exchange, HttpFailure, type Post } from './http/exchange.ts';
import { modernHeaders } from './http/modern-headers.ts';
import { type Session, SubjectSessions } from './http/sessions.ts';
import { openTarget, type Target } from './http/target.ts';
import type { Message } from './message.ts';
import { encodeRequest, withEnvelope } from './request.ts';
import { asFailure, type RpcAnswer, type Upstream, type UpstreamCall, UpstreamFailure } from './upstream.ts';

/** Calls in flight to one server, those that wait for a connection included. */
const MAX_IN_FLIGHT = 2000;
/** Milliseconds for each request of a handshake, for side messages, and for a whole `describe`. */
const HANDSHAKE = 10_000;
const SIDE = 5000;
const DESCRIBE = 30_000;

const BASE = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'];
BASE.push('accept-encoding', 'identity', 'user-agent', 'innerkeep');

/**
 * A remote server over streamable HTTP (MCP 2025-03-26 to 2026-07-28). The handshake is made once at the first use;
 * where the server keeps sessions, each subject gets its own.
 * @throws when the address is not acceptable
 */
export function remoteUpstream(server: RemoteServer, now: () => number): Upstream {
  return new RemoteUpstream(server, openTarget(server), now);
}

class RemoteUpstream implements Upstream {
  readonly #server: RemoteServer;
  readonly #target: Target;
  readonly #now: () => number;
  readonly #sessions: SubjectSessions;
  /** The one conversation with a server that keeps no sessions. */
  #shared: Session | undefined;
  /** The handshake that will tell whether the server keeps sessions. */
  #first: Promise<Session> | undefined;
  #keepsSessions = false;
  #inFlight = 0;
  #lastId = 0;

  constructor(server: RemoteServer, target: Target, now: () => number) {
    this.#server = server;
    this.#target = target;
    this.#now = now;
    this.#sessions = new SubjectSessions(now, (session) => this.#end(session));
  }

  async call(call: UpstreamCall): Promise<RpcAnswer> {
    if (this.#inFlight >= MAX_IN_FLIGHT) throw new UpstreamFailure('overload', `${this.#inFlight} calls in flight`);
    this.#inFlight++;
    try {
      const session = this.#shared ?? (await this.#sessionOf(call.subject));
      try {
        return await this.#request(session, call, this.#server.deadline);
      } catch (error) {
        // 404: the session is unknown there, so nothing was executed (MCP 2025-11-25, Session Management).
        // 400: a server that kept no sessions may want one now; the next call will ask.
        if (!(error instanceof HttpFailure) || (error.status !== 404 && error.status !== 400)) throw error;
        if (error.status === 404 || session.id === undefined) await this.#forget(call.subject, session);
        if (error.status !== 404 || session.id === undefined) throw error;
        return await this.#request(await this.#sessionOf(call.subject), call, this.#server.deadline);
      }
    } catch (error) {
      throw asFailure(error);
    } finally {
      this.#inFlight--;
    }
  }

  async listen(): Promise<void> {
    throw new UpstreamFailure('upstream', `${this.#server.name} cannot be listened to`);
  }

  async describe(signal: AbortSignal): Promise<LiveDescriptors> {
    const end = this.#now() + DESCRIBE;
    const session = await this.#open();
    const request = (method: string, params: Uint8Array) =>
      this.#request(session, callOf(method, params, signal), Math.max(1, end - this.#now()));
    try {
      return await describeServer({ request, notify: async () => {} }, session.handshake);
    } catch (error) {
      throw asFailure(error);
    } finally {
      this.#end(session);
    }
  }

  close(): Promise<void> {
    return this.#target.pool.destroy();
  }

  #sessionOf(subject: string): Promise<Session> {
    if (this.#shared) return Promise.resolve(this.#shared);
    const own = this.#sessions.get(subject);
    if (own) return own;
    if (this.#first) return this.#first.then(() => this.#sessionOf(subject));
    const opening = this.#open().then(
      (session) => {
        this.#keepsSessions = session.id !== undefined;
        this.#first = undefined;
        if (session.id !== undefined) return session;
        this.#sessions.delete(subject, opening);
        this.#shared = session;
        return session;
      },
      (error) => {
        this.#first = undefined;
        this.#sessions.delete(subject, opening);
        throw error;
      },
    );
    this.#sessions.set(subject, opening);
    if (!this.#keepsSessions) this.#first = opening;
    return opening;
  }

  async #forget(subject: string, session: Session): Promise<void> {
    if (this.#shared === session) this.#shared = undefined;
    const own = this.#sessions.get(subject);
    if (own && (await own.catch(() => session)) === session) this.#sessions.delete(subject, own);
  }

  async #open(): Promise<Session> {
    let id: string | undefined;
    const headersOf = (version: string | undefined) => [
      ...BASE,
      ...(version === undefined ? [] : ['mcp-protocol-version', version]),
      ...(id === undefined ? [] : ['mcp-session-id', id]),
    ];
    const channel: Channel = {
      request: async (method, params, era) => {
        try {
          const headers = era === 'modern' ? headersOf('2026-07-28') : headersOf(undefined);
          const enveloped = era === 'modern' ? withEnvelope(params, '{}', undefined) : params;
          const reply = await this.#send(method, enveloped, era, headers, HANDSHAKE);
          if (method === 'initialize') id = reply.sessionId;
          return reply.answer;
        } catch (error) {
          if (
            method !== 'initialize' ||
            !(error instanceof HttpFailure) ||
            (error.status !== 400 && error.status !== 404)
          )
            throw error;
          return { kind: 'error', raw: JSON.stringify(error.detail) };
        }
      },
      notify: async (method, version) => {
        await this.#aside(headersOf(version), `{"jsonrpc":"2.0","method":"${method}"}`);
      },
    };
    const handshake = await shakeHands(channel, undefined);
    return { handshake, id, headers: headersOf(handshake.version) };
  }

  async #request(session: Session, call: UpstreamCall, deadline: number): Promise<RpcAnswer> {
    const { method, signal } = call;
    const { era } = session.handshake;
    const asides = new Asides({
      notify: (message) => call.notify(message),
      respond: (response) => void this.#aside(session.headers, response).catch(() => {}),
    });
    const onAside = (message: Message): void => {
      if (message.kind !== 'answer') asides.receive(message);
    };
    const params = era === 'modern' ? withEnvelope(call.params, call.capabilities, call.logLevel) : call.params;
    const { answer } = await this.#send(method, params, era, session.headers, deadline, signal, onAside);
    return answer;
  }

  async #send(
    method: string,
    params: Uint8Array,
    era: Era,
    headers: string[],
    deadline: number,
    signal?: AbortSignal,
    onAside: (message: Message) => void = () => {},
  ) {
    const id = ++this.#lastId;
    const modern = era === 'modern';
    const post: Post = {
      httpMethod: 'POST',
      headers: modern ? [...headers, ...modernHeaders(method, params)] : headers,
      body: encodeRequest(id, method, params),
      id,
      deadline,
      maxResult: this.#server.maxResult,
      signal,
      onAside,
    };
    const { sessionId, answer } = await exchange(this.#target, post).catch((error) => {
      // To an older server a disconnect is no cancellation (MCP 2025-11-25, Cancellation).
      if (signal?.aborted && !modern) this.#withdraw(headers, id);
      throw error;
    });
    if (answer === undefined) throw new UpstreamFailure('upstream', 'no answer');
    return { sessionId, answer };
  }

  #withdraw(headers: string[], requestId: number): void {
    const body = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${requestId}}}`;
    this.#aside(headers, body).catch(() => {});
  }

  async #aside(headers: string[], body: string): Promise<void> {
    const { maxResult } = this.#server;
    await exchange(this.#target, {
      httpMethod: 'POST',
      headers,
      body: Buffer.from(body),
      id: undefined,
      deadline: SIDE,
      maxResult,
    });
  }

  /** Tells the server that a session is over; whether it listens is its own affair. */
  #end({ id, headers }: Session): void {
    if (id === undefined) return;
    const { maxResult } = this.#server;
    exchange(this.#target, {
      httpMethod: 'DELETE',
      headers,
      body: null,
      id: undefined,
      deadline: SIDE,
      maxResult,
    }).catch(() => {});
  }
}

/** A request of our own, of which nobody hears more than the answer. */
function callOf(method: string, params: Uint8Array, signal: AbortSignal): UpstreamCall {
  const ask = async (): Promise<RpcAnswer> => ({ kind: 'error', raw: '{"code":-32601,"message":"Method not found"}' });
  const base = { subject: '', capabilities: '{}', logLevel: undefined, headers: [], notify: () => {}, ask };
  return { ...base, method, params, signal };
}
