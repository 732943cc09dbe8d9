import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign as signBytes } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';

export type Alg = 'ES256' | 'EdDSA' | 'RS256' | 'PS256';

/** Whoever holds the key that a token is bound to. */
export interface Holder {
  readonly alg: Alg;
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly thumbprint: string;
}

export async function holder(alg: Alg = 'ES256', modulusLength = 2048): Promise<Holder> {
  const pair =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength });
  const jwk = pair.publicKey.export({ format: 'jwk' });
  return { alg, privateKey: pair.privateKey, jwk: { ...jwk }, thumbprint: await calculateJwkThumbprint(jwk) };
}

export interface ProofWish {
  readonly token: string;
  readonly htu: string;
  readonly htm?: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  /** Laid over the usual claims and header; undefined takes one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** The claims as they are sent, whatever they are. */
  readonly body?: string;
  readonly head?: string;
}

export const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
export const ath = (token: string): string => createHash('sha256').update(token).digest('base64url');

/** A DPoP proof (RFC 9449 §4.2), made by hand, so that it can be wrong in any one way. */
export function proof(
  { alg, jwk, privateKey }: Pick<Holder, 'alg' | 'jwk' | 'privateKey'>,
  { token, htu, htm = 'POST', iat, claims, header, body, head }: ProofWish,
): string {
  const all = { jti: randomUUID(), htm, htu, iat, ath: ath(token), ...claims };
  const signed = `${head ?? b64({ typ: 'dpop+jwt', alg, jwk, ...header })}.${body ?? b64(all)}`;
  return `${signed}.${signature(alg, privateKey, signed)}`;
}

export function signature(alg: Alg, key: KeyObject, signed: string): string {
  const options = {
    ES256: { key, dsaEncoding: 'ieee-p1363' },
    EdDSA: { key },
    RS256: { key },
    PS256: { key, padding: 6, saltLength: 32 },
  } as const;
  const digest = alg === 'EdDSA' ? null : 'sha256';
  return signBytes(digest, Buffer.from(signed), options[alg]).toString('base64url');
}
