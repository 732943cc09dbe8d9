/**
 * How a bundle travels and rests: a DSSE envelope (Dead Simple Signing Envelope, v1) with one Ed25519 signature (RFC 8032),
 * in the one spelling that is written here. Whoever reads it needs no JSON parser before the signature has been verified.
 */
export const BUNDLE_TYPE = 'application/vnd.innerkeep.bundle.v1+json';

/** Characters of an envelope. */
export const MAX_ENVELOPE = 32 * 1024 * 1024;

export interface Envelope {
  /** Base64 of what is signed. */
  readonly payload: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER), base64url. */
  readonly keyId: string;
  /** Base64 of 64 bytes. */
  readonly signature: string;
}

export function writeEnvelope({ payload, keyId, signature }: Envelope): string {
  return JSON.stringify({ payload, payloadType: BUNDLE_TYPE, signatures: [{ keyid: keyId, sig: signature }] });
}

const HEAD = '{"payload":"';
const TAIL_LENGTH =
  writeEnvelope({ payload: '', keyId: '-'.repeat(43), signature: '='.repeat(88) }).length - HEAD.length;
const SIGNED_BY = /"keyid":"([\w-]{43})","sig":"([A-Za-z0-9+/]{86}==)"/;

/** The parts of an envelope; undefined for a text that `writeEnvelope` would not have written. */
export function readEnvelope(text: string): Envelope | undefined {
  const [, keyId, signature] = SIGNED_BY.exec(text.slice(-TAIL_LENGTH)) ?? [];
  if (keyId === undefined || signature === undefined) return undefined;
  const envelope = { payload: text.slice(HEAD.length, -TAIL_LENGTH), keyId, signature };
  return writeEnvelope(envelope) === text ? envelope : undefined;
}

/** What the signature is made over: DSSE's pre-authentication encoding, so that bytes of another type never count. */
export function signedBytes(payload: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`DSSEv1 ${BUNDLE_TYPE.length} ${BUNDLE_TYPE} ${payload.length} `);
  const all = new Uint8Array(head.length + payload.length);
  all.set(head);
  all.set(payload, head.length);
  return all;
}

/** Which bundle it is. Versions only rise, over restarts too. */
export interface BundleId {
  readonly version: number;
  /** SHA-256 of the signed payload, base64url. */
  readonly digest: string;
}
