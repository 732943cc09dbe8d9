import type { LiveDescriptors, RuntimeFailure } from '../../contract/runtime-link.ts';
import type { RpcAnswer, UpstreamCall, UpstreamListening } from '../../contract/upstream.ts';

export type { RpcAnswer, UpstreamCall, UpstreamListening };

/** One MCP server, wherever it runs. Every method rejects with UpstreamFailure only. */
export interface Upstream {
  /** Digest of the profile that its callers have to name; absent: none. */
  readonly profile?: string;
  call(call: UpstreamCall): Promise<RpcAnswer>;
  /** Tells of changes; resolves when `signal` is aborted, and rejects when the server ends it first. */
  listen(listening: UpstreamListening): Promise<void>;
  /** Handshake and all lists, in a sandbox or session of its own. */
  describe(signal: AbortSignal): Promise<LiveDescriptors>;
  close(): Promise<void>;
}

/** Why there is no answer. `detail` is for the operator's log: printable and bounded. */
export class UpstreamFailure extends Error {
  readonly code: RuntimeFailure;
  readonly detail: string;
  /** The server did not take what the request was authorized by; nothing of it was executed. */
  readonly isUnauthorized: boolean = false;
  /** Scopes that the server says are missing, space separated (RFC 6750 §3.1); nothing was executed either. */
  readonly lacking: string | undefined = undefined;

  constructor(code: RuntimeFailure, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = printable(detail, 4096);
  }

  /** The server has failed, and not who called it. */
  get isFault(): boolean {
    return this.code === 'upstream' || this.code === 'isolation';
  }

  /** It says something of the server, be it that the request was wrong; what we have ended ourselves says nothing. */
  get isTelling(): boolean {
    return this.isFault || this.code === 'size';
  }
}

/** The caller has ended the call, or kept it waiting. */
export class CallerFailure extends UpstreamFailure {
  override get isFault(): boolean {
    return false;
  }
}

/** Nobody reads it: the caller has gone. */
export function cancelled(): UpstreamFailure {
  return new CallerFailure('upstream', 'cancelled by the caller');
}

export function asFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  return new UpstreamFailure('upstream', error instanceof Error ? error.message : 'unknown error');
}

/**
 * The last `max` characters of a text from outside, with what could forge or hide log lines replaced:
 * controls, direction marks, line separators, lone surrogates.
 */
export function printable(text: string, max: number): string {
  const tail = text.length > max ? `…${text.slice(-max)}` : text;
  return tail.toWellFormed().replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}
