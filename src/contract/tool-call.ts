import type { Watched } from './breaker.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { PinnedDescriptor } from './descriptors.ts';
import type { EventStream } from './event-stream.ts';
import type { Json, JsonObject } from './json.ts';
import type { Reservation } from './limits.ts';
import type { Verdict } from './policy-engine.ts';
import type { RpcAnswer } from './upstream.ts';

/**
 * The states of one call. Each class is made in one place, by the stage that is named after it, out of the
 * state before it; the `#stage` field makes the types nominal, so that a skipped or swapped stage does not compile.
 *
 *   Arrived → Authenticated → Framed → Known → Validated → Authorized → Confirmed → Limited → Admitted → Executed
 *     → Screened → Sanitized
 */
export type Revision = '2024-11-05' | '2025-03-26' | '2025-06-18' | '2025-11-25' | '2026-07-28';

/** The head of an HTTP request under /mcp; nothing of the body has been read. */
export class Arrived {
  readonly #stage = 'arrived';
  readonly incident: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly remote: string;
  /** Where the edge asks for one, and the client has one. */
  readonly certificate: ClientCertificate | undefined;
  /** Who it is from, as the gateway has found that carried it here from its own edge; undefined: it came to ours. */
  readonly vouched: Vouched | undefined;
  /** The one server of `/mcp/SERVER`; undefined: all of them. */
  readonly server: string | undefined;
  /** `sse`: HTTP+SSE of 2024-11-05, at `/mcp/SERVER/sse`. */
  readonly transport: 'streamable' | 'sse';
  readonly httpMethod: string;
  /** Raw query string without `?`. */
  readonly query: string;
  /** Lower-case names; a repeated header is joined by `, ` as Node does. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Reads the whole body once; refuses above the bound. */
  readonly body: () => Promise<Uint8Array>;
  /** The answer as a stream; used by whoever has something to say before the answer, or has only that. */
  readonly events: EventStream;

  readonly #client: { readonly signal: AbortSignal };

  constructor(request: ArrivedRequest) {
    this.incident = request.incident;
    this.at = request.at;
    this.remote = request.remote;
    this.certificate = request.certificate;
    this.vouched = request.vouched;
    this.server = request.server;
    this.transport = request.transport;
    this.httpMethod = request.httpMethod;
    this.query = request.query;
    this.headers = request.headers;
    this.body = request.body;
    this.events = request.events;
    this.#client = request;
  }

  /** Aborted when the client goes away; made when somebody asks for it. */
  get signal(): AbortSignal {
    return this.#client.signal;
  }
}

export type ArrivedRequest = Omit<Arrived, 'certificate' | 'vouched'> &
  Partial<Pick<Arrived, 'certificate' | 'vouched'>>;

export interface Vouched {
  readonly subject: Subject;
  /** Milliseconds since the epoch: when its token ends. */
  readonly until: number;
}

export interface Subject {
  /** Cedar entity id: `alice`, or `ISSUER#SUB` for foreign issuers. */
  readonly id: string;
  readonly kind: 'User' | 'Workload';
  readonly tenant: string;
  readonly groups: readonly string[];
  /** What its token is limited to, `mcp:SERVER` or `mcp:ACTION`; absent: to nothing, and policy alone decides. */
  readonly scopes?: readonly string[];
  readonly acr: string | undefined;
  /** What its token says of the device's health. */
  readonly device?: string | undefined;
  /** Seconds since the epoch of the authentication, where the token tells. */
  readonly authTime: number | undefined;
  /** What must not be shared between subjects is keyed by this: issuer, tenant and subject, unambiguous. */
  readonly key: string;
  /** Token id, for the audit. */
  readonly tokenId: string | undefined;
}

export class Authenticated {
  readonly #stage = 'authenticated';
  readonly arrived: Arrived;
  readonly subject: Subject;
  /** Milliseconds since the epoch: when the token ends. No stream outlives it. */
  readonly until: number;
  constructor(arrived: Arrived, subject: Subject, until: number) {
    this.arrived = arrived;
    this.subject = subject;
    this.until = until;
  }
}

/** One JSON-RPC message, parsed strictly once; `params` is deep-frozen and `paramsRaw` its exact bytes. */
export interface Frame {
  readonly revision: Revision;
  /** 2026-07-28 and later: no sessions, `_meta` envelope, mirrored headers. */
  readonly modern: boolean;
  /** Raw JSON of the id; undefined: a notification. */
  readonly id: string | undefined;
  /** Of a client's response to a server's request (2025-11-25 and older) the answer; its `method` is `(response)`. */
  readonly response: RpcAnswer | undefined;
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly paramsRaw: string | undefined;
  /** Made by the gateway itself, to learn what a confirmed call would cost. */
  readonly isDryRun?: true;
}

export class Framed {
  readonly #stage = 'framed';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly until: number;
  readonly frame: Frame;
  constructor(from: Authenticated | Framed, frame: Frame) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.until = from.until;
    this.frame = frame;
  }
}

export type ExecutedMethod =
  | 'tools/call'
  | 'prompts/get'
  | 'resources/list'
  | 'resources/read'
  | 'resources/subscribe'
  | 'completion/complete';

/** What the call is aimed at, in the server's own names. */
export interface Target {
  readonly server: string;
  readonly method: ExecutedMethod;
  /** `files/read_text_file`, `files#resources/read`. */
  readonly action: string;
  /** The pin of the tool or prompt; absent for the methods that name none. */
  readonly pin: PinnedDescriptor | undefined;
  /** The params as the server will read them: its own names, without the gateway's envelope; frozen, and their raw JSON. */
  readonly params: JsonObject;
  readonly paramsRaw: string;
  /** `mcp-param-…` names and values, alternating, for a remote server of 2026-07-28: the declared, and the unknown. */
  readonly headers: readonly string[];
  /** The call is to go on behind its answer from its beginning (MCP 2025-11-25, Tasks; extension of 2026-07-28). */
  readonly task?: TaskWish | undefined;
  /** resources/list over all servers: the server whose page follows the last one of this server. */
  readonly next?: string | undefined;
}

export interface TaskWish {
  /** Milliseconds for which the client wants the task kept; undefined: it does not say. */
  readonly ttl: number | undefined;
  /** The server, of 2025-11-25, wants a task of its own made of the call. */
  readonly atServer: boolean;
}

/** The subject may see the target, for some arguments at least. */
export class Known {
  readonly #stage = 'known';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  constructor(from: Framed, target: Target) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = target;
  }
}

/** What goes to the server: `raw` is `target.paramsRaw`, `arguments` the frozen value that was checked. */
export interface ValidParams {
  readonly arguments: Json | undefined;
  readonly raw: string;
}

export class Validated {
  readonly #stage = 'validated';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  constructor(from: Known, params: ValidParams) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = params;
  }
}

export class Authorized {
  readonly #stage = 'authorized';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly verdict: Verdict;
  constructor(from: Validated, verdict: Verdict) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.verdict = verdict;
  }
}

/** A person has confirmed this one call, where its tool wants that (step-up). */
export class Confirmed {
  readonly #stage = 'confirmed';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly verdict: Verdict;
  /** The confirmation, for the audit. */
  readonly confirmation: string | undefined;
  constructor(from: Authorized, confirmation: string | undefined) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.verdict = from.verdict;
    this.confirmation = confirmation;
  }
}

/** There was room for it in every limit, no breaker is open, and what it may cost is reserved. */
export class Limited {
  readonly #stage = 'limited';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly verdict: Verdict;
  readonly confirmation: string | undefined;
  /** Of a tool that costs money. */
  readonly reserved: Reservation | undefined;
  /** Breakers that want to know what comes of it. */
  readonly watched: Watched | undefined;
  /** Gives its place among the calls in flight to another one; once. */
  readonly leave: () => void;
  constructor(from: Confirmed, reserved: Reservation | undefined, watched?: Watched, leave = (): void => undefined) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.verdict = from.verdict;
    this.confirmation = from.confirmation;
    this.reserved = reserved;
    this.watched = watched;
    this.leave = leave;
  }
}

/** The intent is on record; only now may anything happen. */
export class Admitted {
  readonly #stage = 'admitted';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly reserved: Reservation | undefined;
  readonly watched: Watched | undefined;
  readonly leave: () => void;
  constructor(from: Limited) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.reserved = from.reserved;
    this.watched = from.watched;
    this.leave = from.leave;
  }
}

/**
 * The upstream's `result` as raw JSON that has passed `parseStrict`. (An upstream's JSON-RPC `error` is a refusal: its
 * text goes to the log only.)
 */
export class Executed {
  readonly #stage = 'executed';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly result: string;
  /** The sealed `requestState` of a result that is `input_required`; it is added behind the filter. */
  readonly continuation: string | undefined;
  constructor(from: Admitted, result: string, continuation: string | undefined) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.result = result;
    this.continuation = continuation;
  }
}

/** How much a result gives orders to the model, where that is suspected; a label that the call's history can carry. */
export interface Suspected {
  readonly score: number;
  /** The heaviest first: `override`, `exfiltration`, … */
  readonly reasons: readonly string[];
}

/** The result has been looked at for orders to the model. */
export class Screened {
  readonly #stage = 'screened';
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly frame: Frame;
  readonly target: Target;
  readonly params: ValidParams;
  readonly result: string;
  readonly continuation: string | undefined;
  readonly suspected: Suspected | undefined;
  /** Marks what a client gets of a result, or of a piece of it, as data from outside; absent: that need not be. */
  readonly delimit: ((result: string) => string) | undefined;
  constructor(from: Executed, suspected: Suspected | undefined, delimit: Screened['delimit']) {
    this.arrived = from.arrived;
    this.subject = from.subject;
    this.frame = from.frame;
    this.target = from.target;
    this.params = from.params;
    this.result = from.result;
    this.continuation = from.continuation;
    this.suspected = suspected;
    this.delimit = delimit;
  }
}

/** What the caller receives. */
export class Sanitized {
  readonly #stage = 'sanitized';
  readonly frame: Frame;
  /** Raw JSON of the JSON-RPC `result`. */
  readonly result: string;
  /** Rule id → replacements. */
  readonly redacted: Readonly<Record<string, number>> | undefined;
  readonly suspected: Suspected | undefined;
  /** Bytes that were cut off, and are kept to be read later; undefined: none. */
  readonly cut: number | undefined;
  constructor(
    from: Screened,
    result: string,
    redacted: Readonly<Record<string, number>> | undefined,
    cut: number | undefined,
  ) {
    this.frame = from.frame;
    this.result = result;
    this.redacted = redacted;
    this.suspected = from.suspected;
    this.cut = cut;
  }
}
