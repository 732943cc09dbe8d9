import { hash, randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, importJWK, type JWK, SignJWT } from 'jose';
import { type AuthorizationServer, generateKeyPair } from 'oauth4webapi';
import type { Lease } from '../../contract/secret-store.ts';

/** A key that tokens are bound to. */
export interface ProofKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const PROOF_ALGORITHM = 'ES256';

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

/** A token that is lent; one that is bound to a key goes with what proves possession of that. */
export interface TokenLease extends Lease {
  readonly prove?: (method: string, nonce: string | undefined) => Promise<string>;
}

/** @param url of the server: no proof is ever for another */
export function prover(key: ProofKey, url: string, token: string): NonNullable<TokenLease['prove']> {
  return (method, nonce) => proof(key, { method, url, token, nonce });
}

/** A token is bound to a key of ours wherever the issuer can do that. */
export async function keyFor(issuer: AuthorizationServer, extractable = false): Promise<ProofKey | undefined> {
  if (!issuer.dpop_signing_alg_values_supported?.includes(PROOF_ALGORITHM)) return undefined;
  return generateKeyPair(PROOF_ALGORITHM, { extractable });
}

/** @throws when it is no private key */
export async function keyOf(jwk: JWK): Promise<ProofKey> {
  const { d: _, key_ops: __, ...open } = jwk;
  const [privateKey, publicKey] = await Promise.all([
    importJWK({ ...jwk, key_ops: ['sign'] }, PROOF_ALGORITHM),
    importJWK(open, PROOF_ALGORITHM, { extractable: true }),
  ]);
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) throw new Error('no key pair');
  return { privateKey, publicKey };
}
