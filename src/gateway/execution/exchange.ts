import type { Caller } from '../../contract/caller.ts';
import type { EgressAttempt } from '../../contract/egress.ts';
import type { Said } from '../../contract/said.ts';
import { takesUrls } from '../../contract/step-up.ts';
import type { Admitted, Target } from '../../contract/tool-call.ts';
import type {
  Reviewed,
  RpcAnswer,
  Served,
  ServerRequest,
  UpstreamCall,
  UpstreamSession,
} from '../../contract/upstream.ts';
import type { Loan } from '../../contract/wire-secret.ts';
import { mayBeTask, toldCapabilities } from './capabilities.ts';
import type { Embedding } from './embedded-request.ts';
import { isRepeatable } from './input-required.ts';
import { MidCall } from './mid-call.ts';

const encoder = new TextEncoder();
const UNASKED: RpcAnswer = { kind: 'error', raw: '{"code":-32600,"message":"Invalid request"}' };

/** One request to a server. What happens in mid-call has its own object, made when something happens. */
export class Exchange implements UpstreamCall {
  readonly method: string;
  readonly params: Uint8Array;
  readonly reviewed: Reviewed | undefined;
  readonly pinned: string | undefined;
  readonly subject: string;
  readonly party: string;
  readonly session: UpstreamSession | undefined;
  readonly capabilities: string;
  readonly logLevel: string | undefined;
  readonly headers: readonly string[];
  readonly asTask: boolean;
  readonly signal: AbortSignal;
  /** Taken at its dispatch, and given back at its end. */
  loan: Loan | undefined;
  /** The person can be led to an address, and the request comes again when he has been there. */
  readonly leads: boolean;
  /** What the server made of it; undefined: it never had it, or is not done. */
  made: Served | undefined;
  readonly #embedding: Embedding;
  readonly #call: Admitted;
  readonly #caller: Caller;
  #midCall: MidCall | undefined;

  /** @param params raw JSON */
  constructor(
    embedding: Embedding,
    call: Admitted,
    caller: Caller,
    params: string,
    signal: AbortSignal,
    midCall: MidCall | undefined,
  ) {
    const { target, subject } = call;
    this.method = target.method;
    this.params = encoder.encode(params);
    const { digest, reviews } = embedding.asReviewed(target.server) ?? {};
    this.reviewed = reviewedOf(target, reviews);
    this.pinned = digest;
    this.subject = subject.key;
    this.party = subject.tenant;
    this.session = caller.session;
    this.capabilities = toldCapabilities(caller.capabilities, mayBeTask(call.frame, caller.capabilities));
    this.logLevel = caller.logLevel;
    this.headers = target.headers;
    this.asTask = target.task?.atServer ?? false;
    this.signal = signal;
    this.leads = takesUrls(call.frame, caller.capabilities) && (!call.frame.modern || isRepeatable(target.method));
    this.#embedding = embedding;
    this.#call = call;
    this.#caller = caller;
    this.#midCall = midCall;
  }

  get midCall(): MidCall {
    this.#midCall ??= new MidCall(this.#embedding, this.#call, this.#caller);
    return this.#midCall;
  }

  /** Undefined: nothing has happened. */
  get happened(): MidCall | undefined {
    return this.#midCall;
  }

  notify(message: string): void {
    if (!this.hasLent(message)) this.midCall.notify(message);
  }

  ask(request: ServerRequest): Promise<RpcAnswer> {
    return this.hasLent(request.params) ? Promise.resolve(UNASKED) : this.midCall.ask(request);
  }

  /** Whether a remote server says what it was lent: no client is to hear that. (The egress proxy has masks of its own.) */
  hasLent(text: string): boolean {
    return this.loan?.leases.some(({ value }) => text.includes(value)) ?? false;
  }

  attempted(attempt: EgressAttempt): void {
    this.#embedding.attempted(this.#call, attempt);
  }

  kept(sandbox: string): void {
    this.#embedding.kept(this.#call, sandbox);
  }

  differs(said: Said): void {
    this.#embedding.differs(this.#call, said);
  }

  served(served: Served): void {
    this.made = served;
  }

  deferred(): void {
    this.#caller.defer?.();
  }
}

/** A completion is one of a prompt's arguments, where it is about something reviewed. */
function reviewedOf({ method, pin }: Target, review: number | undefined): Reviewed | undefined {
  if (pin === undefined) return undefined;
  const { name, digest } = pin;
  return { list: method === 'tools/call' ? 'tools' : 'prompts', name, digest, ...(review !== undefined && { review }) };
}
