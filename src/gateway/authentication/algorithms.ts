import { createPublicKey, type KeyObject } from 'node:crypto';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../../contract/identity.ts';
import { isObject, type Json, type JsonObject } from '../../contract/json.ts';

/** One public key of an issuer's set, and what it may verify. */
export interface VerificationKey {
  readonly kid: string | undefined;
  readonly algorithms: readonly string[];
  readonly key: KeyObject;
  /** The JWK as it was served: the same text is the same key. */
  readonly fingerprint: string;
}

/** Bits of an RSA modulus: fewer are weak, and to verify with more is work that the sender would choose for us. */
const RSA = { least: 2048, most: 4096 };
const LARGEST_EXPONENT = 65_537n;

/** A row an algorithm (RFC 7518 §3.1, RFC 8037, RFC 9864); what is not here does not exist. `none` and HMAC are not here. */
const algorithms: Readonly<Record<SignatureAlgorithm, (key: KeyObject) => boolean>> = {
  ES256: (key) => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1',
  EdDSA: (key) => key.asymmetricKeyType === 'ed25519',
  Ed25519: (key) => key.asymmetricKeyType === 'ed25519',
  RS256: isUsableRsa,
  PS256: isUsableRsa,
};

export function isAlgorithm(alg: string): alg is SignatureAlgorithm {
  return Object.hasOwn(algorithms, alg);
}

/** Whether a key may verify by this algorithm. */
export function fits(alg: SignatureAlgorithm, key: KeyObject): boolean {
  return algorithms[alg](key);
}

function isUsableRsa(key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'rsa') return false;
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  return modulusLength >= RSA.least && modulusLength <= RSA.most && publicExponent <= LARGEST_EXPONENT;
}

/** More than any issuer needs; a set that is larger is not read. */
const MAX_KEYS = 64;

/**
 * The usable keys of a JWK Set (RFC 7517 §5: members that one does not understand are passed over).
 * @throws TypeError when it is no set at all
 */
export function readKeySet(set: unknown): readonly VerificationKey[] {
  const keys = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new TypeError('not a JWK Set (RFC 7517 §5)');
  if (keys.length > MAX_KEYS) throw new TypeError(`more than ${MAX_KEYS} keys`);
  return keys.flatMap((jwk: Json) => readKey(jwk) ?? []);
}

function readKey(jwk: Json): VerificationKey | undefined {
  if (!isObject(jwk) || (jwk.use !== undefined && jwk.use !== 'sig')) return undefined;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes('verify')) return undefined;
  const key = publicKey(jwk);
  if (!key) return undefined;
  const able = SIGNATURE_ALGORITHMS.filter((alg) => fits(alg, key) && (jwk.alg === undefined || jwk.alg === alg));
  if (able.length === 0) return undefined;
  const kid = typeof jwk.kid === 'string' ? jwk.kid : undefined;
  return { kid, algorithms: able, key, fingerprint: JSON.stringify(jwk) };
}

/** Only the public members go in: a set that leaks private ones is not a reason to hold them. */
export function publicKey({ kty, crv, x, y, n, e }: JsonObject): KeyObject | undefined {
  try {
    const members = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => typeof value === 'string');
    return createPublicKey({ key: Object.fromEntries(members), format: 'jwk' });
  } catch {
    return undefined;
  }
}
