/** UTF-16 units of a subject, tenant or group. */
const MAX_NAME = 256;

/** Control, format (direction changes, zero width), surrogate, private-use and unassigned characters; line and paragraph separators. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * A subject, tenant or group that reads the same in a policy, a log line and a file: 1 to 256 UTF-16 units, nothing
 * invisible, no space at either end.
 */
export function isPlainName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_NAME) return false;
  return !HIDDEN.test(value) && value.trim() === value;
}

/** `#` separates issuer and subject in `ISSUER#SUB`, so a subject of the embedded issuer never has one. */
export function isEmbeddedSubject(value: unknown): value is string {
  return isPlainName(value) && !value.includes('#');
}

/** Algorithms by which tokens and proofs may be signed (RFC 7518 §3.1, RFC 8037, RFC 9864); others do not exist. */
export const SIGNATURE_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];
