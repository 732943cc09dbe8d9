import type { EgressAttempt } from './egress.ts';
import type { Reviewed, Served } from './upstream.ts';
import type { WireLease, WireUse } from './wire-secret.ts';

/**
 * Frames between the gateway (zone 1) and the runtime (zone 2), over a unix socket on one machine.
 *
 * A frame is: u32 length of all that follows · u16 length of the head · head (JSON, UTF-8) · body (raw bytes).
 * Integers are big-endian. Bodies are relayed, never re-emitted.
 */
export type ToRuntime =
  /** body: the raw JSON of the request's params for the server; the rest as in UpstreamCall, `session` its key. */
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly server: string;
      /** Digest of the profile that zone 0 has signed for the server. */
      readonly profile?: string;
      readonly method: string;
      readonly subject: string;
      readonly party?: string;
      readonly session?: string;
      readonly capabilities: string;
      readonly logLevel?: string;
      /** For the egress proxy of the call's sandbox, until the call's end. */
      readonly leases?: readonly WireLease[];
      readonly asTask?: true;
      readonly reviewed?: Reviewed;
      readonly pinned?: string;
    }
  /** A session that calls have named is over. */
  | { readonly kind: 'session-over'; readonly id: number; readonly session: string }
  /** body: the raw JSON of the client's `result` or `error`, to the `ask` of that number. */
  | { readonly kind: 'reply'; readonly id: number; readonly ask: number; readonly outcome: 'result' | 'error' }
  /** As UpstreamListening; body: a JSON array of URIs. Ends by `cancel`, or by `failed`. */
  | {
      readonly kind: 'listen';
      readonly id: number;
      readonly server: string;
      readonly profile?: string;
      readonly subject: string;
    }
  | { readonly kind: 'cancel'; readonly id: number }
  /** Asks for a server's live descriptors (for `add` and `tools`); answered by `result` with a LiveDescriptors body. */
  | { readonly kind: 'describe'; readonly id: number; readonly server: string };

export type FromRuntime =
  /** body: the raw JSON of the upstream's `result`. */
  | { readonly kind: 'result'; readonly id: number }
  /** The upstream answered with a JSON-RPC error; body: the raw JSON of its `error`. */
  | { readonly kind: 'error'; readonly id: number }
  /** body: the raw JSON of a notification that belongs to this call, or to what is listened to. */
  | { readonly kind: 'notification'; readonly id: number }
  /** The server asks the client; body: the raw JSON of the params. Answered by `reply` with the same number. */
  | { readonly kind: 'ask'; readonly id: number; readonly ask: number; readonly method: string }
  /** One of the call's leases went out with a request. */
  | { readonly kind: 'used'; readonly id: number; readonly use: WireUse }
  /** What the server made of the call, before its end. */
  | { readonly kind: 'served'; readonly id: number; readonly served: Served }
  /** body: the JSON of what its server says of itself (Said), which is not what was reviewed. */
  | { readonly kind: 'differs'; readonly id: number }
  /** The server has made a task of the call. */
  | { readonly kind: 'deferred'; readonly id: number }
  /** The call runs in this sandbox, which is kept for its session. */
  | { readonly kind: 'kept'; readonly id: number; readonly sandbox: string }
  /** Every subscription of a `listen` was accepted. */
  | { readonly kind: 'listening'; readonly id: number }
  /** A server's sandbox tried to reach something; id 0: outside of any call. */
  | { readonly kind: 'egress'; readonly id: number; readonly server: string; readonly attempt: EgressAttempt }
  | { readonly kind: 'failed'; readonly id: number; readonly code: RuntimeFailure; readonly detail: string };

export type RuntimeFailure = 'isolation' | 'upstream' | 'size' | 'overload' | 'state-lost' | 'changed';

/** What a server says of itself now; raw JSON texts, so that pins are made of its own bytes. */
export interface LiveDescriptors {
  /** The `result` of `initialize` or `server/discover`. */
  readonly handshake: string;
  readonly tools: readonly string[];
  readonly prompts: readonly string[];
  readonly resourceTemplates: readonly string[];
}

const MAX_HEAD = 0xffff;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** @throws RangeError when the head is longer than its length field can say */
export function encodeFrame(head: ToRuntime | FromRuntime, body: Uint8Array | string = ''): Uint8Array {
  const headBytes = encoder.encode(JSON.stringify(head));
  if (headBytes.length > MAX_HEAD) throw new RangeError(`a link frame with a head of ${headBytes.length} bytes`);
  const bodyBytes = typeof body === 'string' ? encoder.encode(body) : body;
  const frame = new Uint8Array(6 + headBytes.length + bodyBytes.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 2 + headBytes.length + bodyBytes.length);
  view.setUint16(4, headBytes.length);
  frame.set(headBytes, 6);
  frame.set(bodyBytes, 6 + headBytes.length);
  return frame;
}

export interface LinkFrame<Head> {
  readonly head: Head;
  readonly body: Uint8Array;
}

/** Cuts a byte stream into frames. Throws on a frame above `maxFrame` bytes: the link is then closed. */
export class FrameReader<Head extends ToRuntime | FromRuntime> {
  readonly #maxFrame: number;

  constructor(maxFrame: number) {
    this.#maxFrame = maxFrame;
  }

  push(chunk: Uint8Array): LinkFrame<Head>[] {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#need) return [];
    return this.#cut();
  }

  // Chunks are joined once a whole frame is there, so that a large frame costs one copy and not one a chunk.
  #parts: Uint8Array[] = [];
  #size = 0;
  #need = 4;

  #cut(): LinkFrame<Head>[] {
    const frames: LinkFrame<Head>[] = [];
    let bytes = this.#join();
    for (;;) {
      this.#need = 4;
      if (bytes.length < 4) break;
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (length < 2 || length > this.#maxFrame) throw new RangeError(`link frame of ${length} bytes`);
      this.#need = 4 + length;
      if (bytes.length < this.#need) break;
      const headLength = new DataView(bytes.buffer, bytes.byteOffset + 4).getUint16(0);
      const head = JSON.parse(decoder.decode(bytes.subarray(6, 6 + headLength))) as Head;
      frames.push({ head, body: bytes.subarray(6 + headLength, this.#need) });
      bytes = bytes.subarray(this.#need);
    }
    this.#parts = bytes.length > 0 ? [bytes] : [];
    this.#size = bytes.length;
    return frames;
  }

  #join(): Uint8Array {
    const [only] = this.#parts;
    if (only !== undefined && this.#parts.length === 1) return only;
    const all = new Uint8Array(this.#size);
    let offset = 0;
    for (const part of this.#parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }
}
