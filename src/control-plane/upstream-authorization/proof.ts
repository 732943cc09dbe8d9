import { hash, randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, SignJWT } from 'jose';

/** A key that tokens are bound to. */
export interface ProofKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

export const PROOF_ALGORITHM = 'ES256';

/**
 * A proof for one request with a bound token (RFC 9449 §4.2).
 * @param url of the request; its query and fragment are no part of the proof
 */
export async function proof(
  key: ProofKey,
  request: {
    readonly method: string;
    readonly url: string;
    readonly token: string;
    readonly nonce: string | undefined;
  },
): Promise<string> {
  const { method, url, token, nonce } = request;
  const { origin, pathname } = new URL(url);
  const { kty, crv, x, y } = await exportJWK(key.publicKey);
  const ath = hash('sha256', token, 'base64url');
  return new SignJWT({ htm: method, htu: `${origin}${pathname}`, ath, ...(nonce !== undefined && { nonce }) })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: PROOF_ALGORITHM, jwk: { kty, crv, x, y } as Record<string, string> })
    .setJti(randomUUID())
    .setIssuedAt()
    .sign(key.privateKey);
}
