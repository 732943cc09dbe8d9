import type { JsonObject } from './json.ts';
import type { RpcAnswer, ServerRequest, UpstreamSession } from './upstream.ts';

/** The client of one call in flight, as the stages behind the audit's intent see it. */
export interface Caller {
  /** What the client said that it can do: at `initialize`, or in the request's envelope; `{}` where it said nothing. */
  readonly capabilities: JsonObject;
  /** The least severe level of log messages that it wants (RFC 5424 names); undefined: it asked for none. */
  readonly logLevel: string | undefined;
  /** Aborted when the answer is wanted no more: cancelled, its session over or, where a disconnect says so, gone. */
  readonly signal: AbortSignal;
  /** Sends one notification (a whole JSON-RPC message, sanitized) ahead of the answer. */
  notify(message: string): void;
  /**
   * Asks the client on the call's own stream, and waits for the response that it posts. Undefined where the protocol
   * has no such thing (2026-07-28), or there is no session in which a response could come.
   * `params` is sanitized; the response has passed `parseStrict` and has not been judged.
   * Rejects with a Refusal when the session ends or the client does not answer in time.
   */
  readonly ask: ((request: ServerRequest) => Promise<RpcAnswer>) | undefined;
  /**
   * Has the call go on behind its answer, where there is room for that: the client is answered with a task, `ask` is
   * there from then on, and `signal` is the task's. Absent where the client knows no such thing, or it is so already.
   */
  readonly defer?: (() => void) | undefined;
  /** The session that the call is part of; undefined from 2026-07-28 on, and where an older client keeps none. */
  readonly session: CallerSession | undefined;
}

/** What outlives a call: the session that it came in. */
export interface CallerSession extends UpstreamSession {
  /** Aborted when the session is over: ended, idle for too long, its token ended or revoked. */
  readonly ended: AbortSignal;
  /** Sends a notification that belongs to no call, on the stream that the client opened for those, now or later. */
  notify(message: string): void;
}

/** A caller, and the way on which its answer goes where the answer has become a stream. */
export interface Attendance {
  readonly caller: Caller;
  /** The call is over; `body` is its JSON-RPC response. Sent as the last event where the answer is a stream. */
  answered(body: string): void;
}
