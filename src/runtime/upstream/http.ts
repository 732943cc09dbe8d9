import type { RemoteServer } from '../../contract/bundle.ts';
import { isObject } from '../../contract/json.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import { TASKS_ALONE } from '../../contract/task.ts';
import type { Authorization } from '../../contract/upstream.ts';
import { type Resolve, systemResolver } from '../egress/dial.ts';
import { Constancy, type Conversation } from './constancy.ts';
import { describeServer } from './describe.ts';
import { authorized } from './http/authorized.ts';
import { Conversations } from './http/conversations.ts';
import { type Encodable, encodeLegacy, encodeModern } from './http/encode.ts';
import { Exchange } from './http/exchange.ts';
import { HttpFailure } from './http/failures.ts';
import { Listenings } from './http/listenings.ts';
import type { Session } from './http/sessions.ts';
import { shownAs } from './http/shown-as.ts';
import { SideChannel } from './http/side.ts';
import { closeTarget, openTarget } from './http/target.ts';
import { TaskLine } from './http/task-line.ts';
import { Watch } from './http/watch.ts';
import { HeldCalls, StreamCount, type Wire } from './http/wire.ts';
import { paramsFor, throughTask } from './server-task.ts';
import { StaleLists } from './stale-lists.ts';
import {
  asFailure,
  type RpcAnswer,
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamListening,
} from './upstream.ts';

/** Calls in flight to one server, those that wait for a connection included. */
const MAX_IN_FLIGHT = 2000;
/** Milliseconds for a request of our own beside a call, and for a whole `describe`. */
const SIDE = 5000;
const DESCRIBE = 30_000;
/** Milliseconds for servers to hear that their sessions are over. */
const FAREWELL = 500;

/**
 * A remote server over streamable HTTP (MCP 2025-03-26 to 2026-07-28). Its era is found out at the first use; where it
 * keeps sessions, each subject gets its own.
 * @param now milliseconds since the epoch
 * @param resolve finds the addresses of its name
 * @param authorization what each of its requests carries; undefined: nothing. Then it is one person's upstream
 * @throws when the address is not acceptable
 */
export function remoteUpstream(
  server: RemoteServer,
  now: () => number,
  resolve = systemResolver(),
  authorization?: Authorization,
): Upstream {
  return new RemoteUpstream(server, now, resolve, authorization);
}

class RemoteUpstream implements Upstream {
  readonly #deadline: number;
  readonly #now: () => number;
  readonly #wire: Wire;
  readonly #conversations: Conversations;
  readonly #listenings = new Listenings();
  readonly #constancy: Constancy;
  #inFlight = 0;
  #lastId = 0;

  constructor(server: RemoteServer, now: () => number, resolve: Resolve, authorization: Authorization | undefined) {
    const open = openTarget(server, resolve);
    const target = authorization === undefined ? open : authorized(open, authorization);
    this.#deadline = server.deadline;
    this.#now = now;
    this.#constancy = new Constancy(now);
    this.#wire = {
      target,
      watch: new Watch(),
      side: new SideChannel(target),
      held: new HeldCalls(),
      streams: new StreamCount(),
      stale: new StaleLists(),
      maxResult: server.maxResult,
      nextId: () => ++this.#lastId,
    };
    this.#conversations = new Conversations(this.#wire, now);
  }

  async call(call: UpstreamCall): Promise<RpcAnswer> {
    if (this.#inFlight >= MAX_IN_FLIGHT) throw new UpstreamFailure('overload', `${this.#inFlight} calls in flight`);
    this.#inFlight++;
    try {
      let session = this.#conversations.shared ?? (await this.#conversations.of(call.subject));
      const first = session;
      first.users++;
      try {
        let answer: RpcAnswer;
        try {
          answer = await this.#first(session, call);
        } catch (error) {
          const { subject } = call;
          if (!(error instanceof HttpFailure) || !this.#conversations.isOver(subject, session, error.status))
            throw error;
          session = await this.#conversations.of(subject);
          answer = await this.#first(session, call);
        }
        const last = await this.#through(session, answer, call);
        await this.#constancy.after(call, session, this.#conversation(session));
        return last;
      } finally {
        first.users--;
      }
    } catch (error) {
      const failure = asFailure(error);
      if (failure.isTelling) call.served?.({ ms: 0, fault: failure.isFault });
      throw failure;
    } finally {
      this.#inFlight--;
    }
  }

  listen(listening: UpstreamListening): Promise<void> {
    const { subject } = listening;
    return this.#listenings.hold(listening, this.#wire, {
      session: () => this.#conversations.of(subject),
      isOver: (session, status) => this.#conversations.isOver(subject, session, status),
      request: (session) => (method, params) =>
        this.#exchange(session, own(method, params), SIDE, undefined, undefined),
    });
  }

  async describe(signal: AbortSignal): Promise<LiveDescriptors> {
    const end = this.#now() + DESCRIBE;
    const session = await this.#conversations.open();
    const request = (method: string, params: Uint8Array): Promise<RpcAnswer> => {
      const left = Math.max(1, end - this.#now());
      return this.#exchange(session, own(method, params), left, undefined, signal);
    };
    try {
      return await describeServer({ request, notify: async () => {} }, session.handshake);
    } catch (error) {
      throw asFailure(error);
    } finally {
      this.#conversations.end(session);
    }
  }

  async close(): Promise<void> {
    this.#listenings.close();
    await this.#conversations.close(FAREWELL);
    await closeTarget(this.#wire.target);
  }

  async #first(session: Session, call: UpstreamCall): Promise<RpcAnswer> {
    await this.#constancy.before(call, session, this.#conversation(session));
    return this.#request(session, forTask(call, session));
  }

  #conversation(session: Session): Conversation {
    const request = (method: string, params: Uint8Array): Promise<RpcAnswer> =>
      this.#exchange(session, own(method, params), SIDE, undefined, undefined);
    return { request, handshake: session.handshake, stale: this.#wire.stale };
  }

  /** A server that keeps a session may ask on its stream, which is opened where there is anybody to be asked. */
  #request(session: Session, call: UpstreamCall): Promise<RpcAnswer> {
    const { capabilities, logLevel } = call;
    const isAskable = capabilities !== '{}' && capabilities !== TASKS_ALONE;
    if (session.id !== undefined && (logLevel !== undefined || isAskable)) return this.#attend(session, call);
    return this.#exchange(session, call, this.#deadline, call, call.signal);
  }

  /** The call's own end, or that of the task that the server has made of it. */
  #through(session: Session, first: RpcAnswer, call: UpstreamCall): Promise<RpcAnswer> {
    const { capabilities, logLevel, signal } = call;
    let line: TaskLine | undefined;
    const open = (): TaskLine => {
      const bounds = { era: session.handshake.era, deadline: this.#deadline, now: this.#now, signal };
      line = new TaskLine(bounds, {
        send: (method, params) => this.#request(session, partOf(call, method, params)),
        withdraw: (params) => {
          const cancel = { ...own('tasks/cancel', params), capabilities, logLevel };
          this.#exchange(session, cancel, SIDE, undefined, undefined).catch(() => {});
        },
      });
      return line;
    };
    return throughTask(first, call, open).finally(() => line?.close());
  }

  async #attend(session: Session, call: UpstreamCall): Promise<RpcAnswer> {
    const { stream } = session;
    let exchange: Exchange | undefined;
    try {
      await stream?.ready();
      await this.#setLevel(session, call);
      return await this.#exchange(session, call, this.#deadline, call, call.signal, (made) => {
        exchange = made;
        stream?.join(made);
      });
    } finally {
      if (exchange) stream?.leave(exchange);
    }
  }

  /** The level is the session's (MCP 2025-11-25, Logging), which is one subject's; set when a call wants another one. */
  async #setLevel(session: Session, { logLevel }: UpstreamCall): Promise<void> {
    if (logLevel === undefined || !isObject(session.handshake.capabilities.logging)) return;
    if (session.level?.name !== logLevel) {
      const params = Buffer.from(JSON.stringify({ level: logLevel }));
      const setting = this.#exchange(session, own('logging/setLevel', params), SIDE, undefined, undefined);
      session.level = { name: logLevel, set: setting.catch(() => {}) };
    }
    await session.level.set;
  }

  #exchange(
    session: Session,
    call: Encodable,
    deadline: number,
    hears: UpstreamCall | undefined,
    signal: AbortSignal | undefined,
    made?: (exchange: Exchange) => void,
  ): Promise<RpcAnswer> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const modern = session.handshake.era === 'modern';
      const base = [...session.headers, ...authorizationOf(hears)];
      const { headers, body } = modern
        ? encodeModern(id, call, base)
        : { headers: base, body: encodeLegacy(id, call.method, call.params) };
      const exchange = new Exchange(
        this.#wire,
        { id, headers, body, deadline, modern, call: hears, signal },
        resolve,
        reject,
      );
      made?.(exchange);
      exchange.start();
    });
  }
}

function forTask(call: UpstreamCall, { handshake: { era } }: Session): UpstreamCall {
  if (!call.asTask) return call;
  return { ...partOf(call, call.method, paramsFor(call, era), call.headers), served: (what) => call.served?.(what) };
}

/** A further request in the course of a call. */
function partOf(call: UpstreamCall, method: string, params: Uint8Array, headers: readonly string[] = []): UpstreamCall {
  const { subject, session, capabilities, logLevel, loan, asTask, signal } = call;
  return {
    ...{ method, params, subject, session, capabilities, logLevel, headers, loan, asTask, signal },
    notify: (message) => call.notify(message),
    ask: (request) => call.ask(request),
    deferred: () => {},
  };
}

/** A call's own token, where it has one: what else its subject has at the moment is not for it. */
function authorizationOf(call: UpstreamCall | undefined): readonly string[] {
  const [token] = call?.loan?.leases ?? [];
  return token === undefined ? [] : ['authorization', shownAs(token)];
}

/** A request of our own beside the calls. */
function own(method: string, params: Uint8Array): Encodable {
  return { method, params, capabilities: '{}', logLevel: undefined, headers: [] };
}
