import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { isObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { fits, isAlgorithm, publicKey } from './algorithms.ts';
import { FORBIDDEN, readHeader } from './unverified.ts';

/** The key that a DPoP proof brings, and what it is called. */
export interface ProofKey {
  readonly alg: string;
  readonly key: KeyObject;
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string;
}

/** Members of private and symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2). */
const SECRET = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;
/** As in any token of ours, but for the one parameter that a proof must have. */
const FORBIDDEN_IN_PROOF = FORBIDDEN.filter((name) => name !== 'jwk');

/**
 * The header of a proof (RFC 9449 §4.2): its type, an asymmetric algorithm of our list, a public key that fits it.
 * @param head base64url
 * @throws Refusal unauthenticated
 */
export async function proofKey(head: string): Promise<ProofKey> {
  const { typ, alg, jwk } = readHeader(head, FORBIDDEN_IN_PROOF);
  if (typ !== 'dpop+jwt') throw refuse('typ is not dpop+jwt (RFC 9449 §4.2)');
  if (typeof alg !== 'string' || !isAlgorithm(alg)) throw refuse(`algorithm ${JSON.stringify(alg)?.slice(0, 32)}`);
  if (!isObject(jwk)) throw refuse('header without jwk');
  for (const name of SECRET) if (name in jwk) throw refuse(`jwk with the private member ${name}`);
  if (jwk.alg !== undefined && jwk.alg !== alg) throw refuse('jwk is for another algorithm');
  const key = publicKey(jwk);
  if (key === undefined || !fits(alg, key)) throw refuse(`jwk is no public key for ${alg}`);
  return { alg, key, thumbprint: await calculateJwkThumbprint(key, 'sha256') };
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', `proof: ${detail}`);
}
