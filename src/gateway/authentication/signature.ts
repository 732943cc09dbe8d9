import { errors, jwtVerify } from 'jose';
import { Refusal } from '../../contract/refusal.ts';
import type { VerificationKey } from './algorithms.ts';
import { SKEW } from './claims.ts';

/**
 * A token's signature by this key, and its time (RFC 7519 §4.1.4, §4.1.5). Gives its `exp`.
 * @param wanted.now milliseconds since the epoch
 * @throws Refusal unauthenticated
 */
export async function checkSignature(
  token: string,
  alg: string,
  { key }: VerificationKey,
  { now, ...wanted }: { readonly issuer?: string; readonly requiredClaims: string[]; readonly now: number },
): Promise<number> {
  const checks = { ...wanted, algorithms: [alg], clockTolerance: SKEW, currentDate: new Date(now) };
  try {
    const { payload } = await jwtVerify(token, key, checks);
    if (payload.exp !== undefined) return payload.exp;
  } catch (error) {
    throw refuse(error instanceof errors.JOSEError ? `${error.code}: ${error.message}` : 'verification failed');
  }
  throw refuse('no exp');
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
