import { compactVerify } from 'jose';
import { isPlainName } from '../../contract/identity.ts';
import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { generations } from './generations.ts';
import { type ProofKey, proofKey } from './proof-key.ts';
import { normalisedTarget } from './target-uri.ts';
import { compactParts, readPart } from './unverified.ts';

/** Seconds that a proof's `iat` may lie in the past or, for clocks that differ, in the future. */
export const PROOF_WINDOW = 300;
/** Characters of one proof: the largest RSA key and its signature are half of it. */
const MAX_PROOF = 4096;
/** Clients whose keys are remembered: a client's every proof has the same header. */
const KEYS = 10_000;

/** What a proof has to be of. */
export interface Proven {
  /** Of the key that the token is bound to. */
  readonly thumbprint: string;
  readonly method: string;
  /** The URI of the request, without query and fragment. */
  readonly target: string;
  /** SHA-256 of the token, base64url. */
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What of a good proof is still to be looked at by whoever remembers. */
export interface Proof {
  readonly jti: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly nonce: Json | undefined;
}

/**
 * Verifies DPoP proofs (RFC 9449 §4.3, all but the nonce and what has to be remembered): one header, its form, type,
 * algorithm and key; that the token is bound to this key; its signature; then what it says.
 * @throws Refusal unauthenticated
 */
export function proofVerifier(): (proof: string | undefined, proven: Proven) => Promise<Proof> {
  const keys = generations<ProofKey>(KEYS);
  return async (proof, proven) => {
    if (proof === undefined) throw refuse('no DPoP header beside a key-bound token');
    if (proof.length > MAX_PROOF) throw refuse(`longer than ${MAX_PROOF}`);
    const { head, body } = compactParts(proof);
    const known = keys.get(head);
    const key = known ?? (await proofKey(head));
    if (key.thumbprint !== proven.thumbprint) throw refuse('of another key than the token is bound to (RFC 9449 §6.1)');
    await checkSignature(proof, key);
    if (known === undefined) keys.put(head, key);
    return checkClaims(readPart(body, 'proof claims'), proven);
  };
}

async function checkSignature(proof: string, { key, alg }: ProofKey): Promise<void> {
  try {
    await compactVerify(proof, key, { algorithms: [alg] });
  } catch {
    throw refuse('signature is wrong');
  }
}

function checkClaims(claims: ReturnType<typeof readPart>, { method, target, token, now }: Proven): Proof {
  const { jti, htm, htu, iat, ath, nonce, exp, nbf } = claims;
  if (!isPlainName(jti)) throw refuse('jti is absent or not a plain name');
  if (htm !== method) throw refuse('htm is another method');
  if (typeof htu !== 'string' || !isSameTarget(htu, target)) throw refuse('htu is another URI');
  const seconds = now / 1000;
  if (typeof iat !== 'number') throw refuse('iat is no number');
  if (iat < seconds - PROOF_WINDOW) throw refuse('iat is too long ago');
  if (iat > seconds + PROOF_WINDOW) throw refuse('iat is in the future');
  // No proof must have them; what one says all the same is taken at its word.
  if (exp !== undefined && !(typeof exp === 'number' && exp > seconds)) throw refuse('exp has passed');
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= seconds + PROOF_WINDOW)) throw refuse('nbf is to come');
  if (ath !== token) throw refuse('ath is of another token');
  return { jti, iat, nonce };
}

function isSameTarget(htu: string, target: string): boolean {
  if (htu === target) return true;
  const normalised = normalisedTarget(htu);
  return normalised !== undefined && normalised === normalisedTarget(target);
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', `proof: ${detail}`);
}
