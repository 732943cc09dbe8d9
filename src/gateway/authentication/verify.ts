import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';
import { isAlgorithm, type VerificationKey } from './algorithms.ts';
import { checkIssued, checkKind, type Opens, opens, subjectOf } from './claims.ts';
import { type Confirmation, confirmationOf } from './confirmation.ts';
import type { KnownIssuer } from './issuers.ts';
import { looksLikeSvid, verifyJwtSvid } from './jwt-svid.ts';
import type { KeySource } from './key-source.ts';
import { checkSignature } from './signature.ts';
import type { TrustDomain } from './trust-domain.ts';
import { takeApart } from './unverified.ts';

/** What is known of a token that was found good. */
export interface Verdict {
  readonly subject: Subject;
  readonly opens: Opens;
  /** Whose keys hold it up: without the key among them it is worth nothing. */
  readonly keys: KeySource;
  readonly key: VerificationKey;
  /** What its presenter must show beside it; undefined: it is a bearer token. */
  readonly confirmation: Confirmation | undefined;
  /** Seconds since the epoch. */
  readonly exp: number;
}

/** Whose tokens count. */
export interface Trusted {
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
  readonly domain: TrustDomain | undefined;
}

/**
 * Verifies an access token (RFC 9068 §4; RFC 8725): known issuer, its key, signature, time, audience, then who it is.
 * @param resource what `aud` must be for all endpoints, e.g. `https://localhost:8443/mcp`
 * @throws Refusal unauthenticated
 */
export async function verify(
  token: string,
  { issuers, domain }: Trusted,
  resource: string,
  now: number,
): Promise<Verdict> {
  const unverified = takeApart(token);
  const { alg, typ, kid, claims } = unverified;
  const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined;
  if (!issuer && domain && looksLikeSvid(unverified)) return verifyJwtSvid(token, unverified, domain, resource, now);
  if (!issuer) throw refuse('unknown issuer');
  if (!isAlgorithm(alg)) throw refuse(`algorithm ${JSON.stringify(alg.slice(0, 32))}`);
  const kind = tokenType(typ, issuer.settings.embedded);
  const key = await issuer.keys.find(alg, kid);
  const requiredClaims = ['exp', 'iat', 'sub', 'aud'];
  const exp = await checkSignature(token, alg, key, { issuer: issuer.settings.issuer, requiredClaims, now });
  checkIssued(claims, Math.floor(now / 1000));
  checkKind(claims, kind);
  return {
    opens: opens(claims.aud, resource, issuer.settings),
    subject: subjectOf(claims, issuer.settings),
    keys: issuer.keys,
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

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
