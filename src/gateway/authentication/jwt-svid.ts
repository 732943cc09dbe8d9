import type { TrustedIssuer } from '../../contract/bundle.ts';
import { Refusal } from '../../contract/refusal.ts';
import { isAlgorithm } from './algorithms.ts';
import { opens } from './claims.ts';
import { confirmationOf } from './confirmation.ts';
import { checkSignature } from './signature.ts';
import { workloadId } from './spiffe-id.ts';
import { MAX_LIFE } from './svid.ts';
import type { TrustDomain } from './trust-domain.ts';
import type { Unverified } from './unverified.ts';
import type { Verdict } from './verify.ts';

/** JWT-SVID §2.3: where there is a type, it is one of these. */
const TYPES: ReadonlySet<string | undefined> = new Set([undefined, 'JWT', 'JOSE']);
/** An audience of our own is enough; there is none beside it. */
const NO_OTHER_AUDIENCE: Pick<TrustedIssuer, 'audience'> = {};

/** Whether a token claims to be one: a workload's name in place of an issuer that we know. */
export function looksLikeSvid({ claims }: Unverified): boolean {
  return typeof claims.sub === 'string' && claims.sub.startsWith('spiffe://');
}

/**
 * Verifies a JWT-SVID (JWT-SVID §2 to §5): algorithm, type, key of the trust domain, signature, time, audience, then
 * the workload that it names.
 * @param now milliseconds since the epoch
 * @throws Refusal unauthenticated
 */
export async function verifyJwtSvid(
  token: string,
  { alg, typ, kid, claims }: Unverified,
  domain: TrustDomain,
  resource: string,
  now: number,
): Promise<Verdict> {
  if (!isAlgorithm(alg)) throw refuse(`algorithm ${JSON.stringify(alg.slice(0, 32))}`);
  if (!TYPES.has(typ)) throw refuse(`typ ${JSON.stringify(typ?.slice(0, 32))}`);
  if (kid === undefined) throw refuse('no kid (JWT-SVID §4.2)');
  const key = await domain.keys.find(alg, kid);
  const exp = await checkSignature(token, alg, key, { requiredClaims: ['exp', 'sub', 'aud'], now });
  if (exp * 1000 - now > MAX_LIFE) throw refuse('lives for more than a day');
  const id = workloadId(String(claims.sub), domain.name);
  return {
    opens: opens(claims.aud, resource, NO_OTHER_AUDIENCE),
    subject: domain.subjectOf(id),
    keys: domain.keys,
    key,
    confirmation: confirmationOf(claims.cnf),
    exp,
  };
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', `JWT-SVID: ${detail}`);
}
