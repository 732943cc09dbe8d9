/**
 * The connection that zone 0 opens to each gateway: TLS 1.3 with certificates of the zones' own authority on both ends,
 * then messages (zone-link.ts), each a u32 length (big-endian) and so many bytes of JSON.
 */
export const LINK_TLS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519MLKEM768:X25519',
  sigalgs: 'ecdsa_secp256r1_sha256:ed25519',
} as const;

/** The server name (RFC 6066 §3) that a gateway answers to on this connection, and to no other. */
export const LINK_NAME = 'gateway.innerkeep.internal';

/** The only name of zone 0's certificate, a URI; gateways talk to nobody else. */
export const CONTROL_ID = 'spiffe://innerkeep.internal/control';

/** The only name of a gateway's certificate. */
export function gatewayId(name: string): string {
  return `spiffe://innerkeep.internal/gateway/${name}`;
}

/** The alternative names of a certificate that has this one alone, as node writes them. */
export function onlyName(uri: string): string {
  return `URI:${uri}`;
}

/** Milliseconds between two signs of life, either way; a connection without any for five times that is dead. */
export const LINK_PULSE = 2000;
export const LINK_SILENCE = 5 * LINK_PULSE;

export type LinkAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** What a gateway is enrolled with, and what zone 0's certificate and its bundles must be of. PEM texts. */
export interface GatewayIdentity {
  readonly gateway: string;
  readonly key: string;
  readonly cert: string;
  /** The zones' authority. */
  readonly authority: string;
  /** Zone 0's public key. */
  readonly bundleKey: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeMessage(message: object): Uint8Array {
  const body = encoder.encode(JSON.stringify(message));
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  return frame;
}

/** Cuts a byte stream into the texts of messages. What is too long or no UTF-8 throws: the connection is then closed. */
export class MessageReader {
  readonly #most: number;
  #parts: Uint8Array[] = [];
  #size = 0;
  #need = 4;

  /** @param most bytes of one message */
  constructor(most: number) {
    this.#most = most;
  }

  push(chunk: Uint8Array): readonly string[] {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    // Joined once a whole message is there: a large one costs one copy.
    if (this.#size < this.#need) return [];
    const texts: string[] = [];
    let bytes = join(this.#parts, this.#size);
    for (;;) {
      this.#need = 4;
      if (bytes.length < 4) break;
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (length > this.#most) throw new RangeError(`a message of ${length} bytes; ${this.#most} are the most`);
      this.#need = 4 + length;
      if (bytes.length < this.#need) break;
      texts.push(decoder.decode(bytes.subarray(4, this.#need)));
      bytes = bytes.subarray(this.#need);
    }
    this.#parts = [bytes];
    this.#size = bytes.length;
    return texts;
  }
}

function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
