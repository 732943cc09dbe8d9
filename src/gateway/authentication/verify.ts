import { errors, jwtVerify } from 'jose';
import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';
import { isAlgorithm, type VerificationKey } from './algorithms.ts';
import { checkIssued, checkKind, type Opens, opens, SKEW, subjectOf } from './claims.ts';
import { type Confirmation, confirmationOf } from './confirmation.ts';
import type { KnownIssuer } from './issuers.ts';
import { takeApart } from './unverified.ts';

/** What is known of a token that was found good. */
export interface Verdict {
  readonly subject: Subject;
  readonly opens: Opens;
  readonly issuer: KnownIssuer;
  readonly key: VerificationKey;
  /** What its presenter must show beside it; undefined: it is a bearer token. */
  readonly confirmation: Confirmation | undefined;
  /** Seconds since the epoch. */
  readonly exp: number;
}

/**
 * Verifies an access token (RFC 9068 §4; RFC 8725): known issuer, its key, signature, time, audience, then who it is.
 * @param resource what `aud` must be for all endpoints, e.g. `https://localhost:8443/mcp`
 * @throws Refusal unauthenticated
 */
export async function verify(
  token: string,
  issuers: ReadonlyMap<string, KnownIssuer>,
  resource: string,
  now: number,
): Promise<Verdict> {
  const { alg, typ, kid, claims } = takeApart(token);
  const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined;
  if (!issuer) throw refuse('unknown issuer');
  if (!isAlgorithm(alg)) throw refuse(`algorithm ${JSON.stringify(alg.slice(0, 32))}`);
  const kind = tokenType(typ, issuer.settings.embedded);
  const key = await issuer.keys.find(alg, kid);
  const exp = await checkSignature(token, alg, key, issuer, now);
  checkIssued(claims, Math.floor(now / 1000));
  checkKind(claims, kind);
  return {
    opens: opens(claims.aud, resource, issuer.settings),
    subject: subjectOf(claims, issuer.settings),
    issuer,
    key,
    confirmation: confirmationOf(claims.cnf),
    exp,
  };
}

/** RFC 9068 §2.1 wants `at+jwt`; foreign issuers that are older than it write `JWT`. */
function tokenType(typ: string | undefined, embedded: boolean): 'at+jwt' | 'jwt' {
  const name = typ?.toLowerCase().replace(/^application\//, '');
  if (name === 'at+jwt' || (name === 'jwt' && !embedded)) return name;
  throw refuse(`typ ${JSON.stringify(typ?.slice(0, 32))} is not an access token's (RFC 9068 §2.1)`);
}

async function checkSignature(
  token: string,
  alg: string,
  key: VerificationKey,
  issuer: KnownIssuer,
  now: number,
): Promise<number> {
  try {
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [alg],
      issuer: issuer.settings.issuer,
      requiredClaims: ['exp', 'iat', 'sub', 'aud'],
      clockTolerance: SKEW,
      currentDate: new Date(now),
    });
    if (payload.exp !== undefined) return payload.exp;
  } catch (error) {
    throw refuse(error instanceof errors.JOSEError ? `${error.code}: ${error.message}` : 'verification failed');
  }
  throw refuse('no exp');
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
