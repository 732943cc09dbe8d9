import type { EgressAttempt } from './egress.ts';
import type { Said } from './said.ts';
import type { Loan } from './wire-secret.ts';

/** The end of one JSON-RPC request: the raw JSON of its `result` or of its `error`. */
export interface RpcAnswer {
  readonly kind: 'result' | 'error';
  readonly raw: string;
}

/** What a server asks of the client in mid-call; `params` is the raw JSON of an object. */
export interface ServerRequest {
  readonly method: string;
  readonly params: string;
}

/** The client's session that a call is part of, as the zones name it to each other. */
export interface UpstreamSession {
  /** Not what the client shows: whoever learns it has learned nothing. */
  readonly key: string;
  /** Aborted when it is over. */
  readonly ended: AbortSignal;
  /** Another gateway had it before, and took with it what it knew of it. */
  readonly isTakenUp?: boolean;
}

/** The descriptor that a call was judged by. */
export interface Reviewed {
  readonly list: 'tools' | 'prompts';
  readonly name: string;
  /** Of its raw JSON text, as in PinnedDescriptor. */
  readonly digest: string;
  /** How often a person has let it be called again after the server had changed it; absent: never. */
  readonly review?: number;
}

/** What a server made of a call that it had. */
export interface Served {
  /** Milliseconds that it took itself, without what was waited for before it began, or for its client meanwhile. */
  readonly ms: number;
  /** It failed, or what is behind it; not the caller, and not we. */
  readonly fault: boolean;
}

/** One call to a server, wherever it runs. */
export interface UpstreamCall {
  readonly method: string;
  /** Raw JSON of the params; relayed. */
  readonly params: Uint8Array;
  /** The call is refused where the server says otherwise of it now; absent: it is about none. */
  readonly reviewed?: Reviewed | undefined;
  /** `sha256-BASE64` of the JSON of all that was reviewed of the server (Said); absent: nothing to compare. */
  readonly pinned?: string | undefined;
  /** What must not be shared between subjects is keyed by this. */
  readonly subject: string;
  /** Whose calls wait in one row where there is no room; absent: nobody's own. */
  readonly party?: string | undefined;
  /** Undefined: the client keeps none. */
  readonly session: UpstreamSession | undefined;
  /** Raw JSON: what the client can do, for a server of 2026-07-28 (older ones were told at their handshake). */
  readonly capabilities: string;
  /** The level of log messages that the client wants; undefined: none were asked for. */
  readonly logLevel: string | undefined;
  /** `mcp-param-…` names and values, alternating, for a remote server of 2026-07-28. */
  readonly headers: readonly string[];
  /** The credentials that the sandbox's egress proxy adds, for as long as the call runs; undefined: none. */
  readonly loan?: Loan | undefined;
  /** A server of 2025-11-25 is to make a task of the call, and its task is waited for. */
  readonly asTask: boolean;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Receives each notification that the server sends in mid-call: a whole message, strictly parsed, not judged. */
  notify(message: string): void;
  /**
   * Asks what an older server asks in mid-call, or a server's task in its course; the call's deadline stands still meanwhile. Never rejects: where nobody
   * can be asked, the answer is an error. (A server of 2026-07-28 answers with `input_required` instead.)
   */
  ask(request: ServerRequest): Promise<RpcAnswer>;
  /** Receives each attempt to get out of the server's sandbox in mid-call, where it has one. */
  attempted?(attempt: EgressAttempt): void;
  /** Receives once what the server says of itself where that is not what was reviewed. */
  differs?(said: Said): void;
  /** The call runs in a sandbox that is kept for its session, which has it from its first call on. */
  kept?(sandbox: string): void;
  /** Tells it before the call's end; the last one counts. Not called where the server never had it. */
  served?(served: Served): void;
  /** The server has made a task of the call: the answer will be what becomes of that, and may take its time. */
  deferred(): void;
}

/** A wish to be told of changes, for as long as `signal` is not aborted. */
export interface UpstreamListening {
  /** The server's own URIs. */
  readonly uris: readonly string[];
  readonly subject: string;
  readonly signal: AbortSignal;
  /** What is lent for as long as it lasts: what is in it changes meanwhile. Absent: nothing. */
  readonly loan?: Loan;
  /** The server has accepted every subscription. */
  ready(): void;
  /** Receives each `notifications/resources/updated` and `…/resources/list_changed`: a whole message, not judged. */
  notify(message: string): void;
}

/** What the requests to a remote server carry, so that it knows for whom they are. Each request asks anew. */
export interface Authorization {
  /**
   * Names and values, alternating; none where there is nothing to show yet.
   * @param own the `Authorization` that the request has already; what is still to be shown beside it is wanted
   */
  headers(method: string, own: string | undefined): Promise<readonly string[]>;
  /** Receives what the server wants to find in the next proof (RFC 9449 §8.2, §9). */
  nonce(value: string): void;
}
