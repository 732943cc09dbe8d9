import type { TrustedIssuer } from '../../contract/bundle.ts';
import { isEmbeddedSubject, isPlainName } from '../../contract/identity.ts';
import type { Json, JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';

/** Seconds that an issuer's clock may differ from ours. */
export const SKEW = 5;

/** Which endpoints a token was made for. */
export interface Opens {
  readonly all: boolean;
  readonly servers: ReadonlySet<string>;
}

/** `aud` in terms of our endpoints, compared exactly (RFC 8707 §2, RFC 9068 §4). @throws Refusal unauthenticated */
export function opens(aud: Json | undefined, resource: string, issuer: Pick<TrustedIssuer, 'audience'>): Opens {
  const audiences = typeof aud === 'string' ? [aud] : aud;
  if (!Array.isArray(audiences) || !audiences.every((one) => typeof one === 'string'))
    throw refuse('aud is no audience');
  const all = audiences.some((one) => one === resource || one === issuer.audience);
  const servers = audiences.flatMap((one) => {
    const server = one.startsWith(`${resource}/`) ? one.slice(resource.length + 1) : '';
    return /^[a-z][a-z0-9-]{0,31}$/.test(server) ? server : [];
  });
  if (!all && servers.length === 0) throw refuse('token for another resource (RFC 8707)');
  return { all, servers: new Set(servers) };
}

/** What `exp`, `nbf` and `iat` say beyond the library's own checks. @throws Refusal unauthenticated */
export function checkIssued(claims: JsonObject, seconds: number): void {
  const { iat } = claims;
  if (typeof iat !== 'number' || iat > seconds + SKEW) throw refuse('iat is absent or in the future');
}

/** Members that only an ID token has (OpenID Connect Core §3.1.3.6, §3.3.2.11): proof of a sign-in is no access token. */
const ID_TOKEN_ONLY = ['nonce', 'at_hash', 'c_hash', 's_hash'] as const;

/** What a token must not say. @throws Refusal unauthenticated */
export function checkKind(claims: JsonObject, typ: string): void {
  if (typ === 'at+jwt') {
    if (!isPlainName(claims.jti)) throw refuse('access token without jti (RFC 9068 §2.2)');
    return;
  }
  for (const name of ID_TOKEN_ONLY) if (name in claims) throw refuse(`ID token (${name}) in place of an access token`);
  if (typeof claims.typ === 'string' && claims.typ !== 'Bearer')
    throw refuse(`token of type ${claims.typ.slice(0, 32)}`);
}

/** The subject that the claims of a verified token name. @throws Refusal unauthenticated */
export function subjectOf(claims: JsonObject, issuer: TrustedIssuer): Subject {
  const { sub, jti, acr, auth_time: authTime } = claims;
  const tenant = 'fixed' in issuer.tenant ? issuer.tenant.fixed : claims[issuer.tenant.claim];
  if (!isPlainName(sub) || (issuer.embedded && !isEmbeddedSubject(sub)))
    throw refuse('sub is absent or not a plain name');
  if (!isPlainName(tenant)) throw refuse('tenant is absent or not a plain name');
  if (jti !== undefined && !isPlainName(jti)) throw refuse('jti is not a plain name');
  if (acr !== undefined && !isPlainName(acr)) throw refuse('acr is not a plain name');
  if (authTime !== undefined && typeof authTime !== 'number') throw refuse('auth_time is not a number');
  return Object.freeze({
    id: issuer.embedded ? sub : `${issuer.issuer}#${sub}`,
    kind: 'User',
    tenant,
    groups: groupsOf(claims.groups),
    ...scopesOf(claims.scope),
    acr,
    ...deviceOf(claims, issuer),
    authTime,
    key: JSON.stringify([issuer.issuer, tenant, sub]),
    tokenId: jti,
  });
}

/**
 * What the token is limited to (RFC 9068 §2.2.3). `mcp` stands for everything; scopes that are not ours (`openid` and the
 * like) say nothing of what may be done here.
 */
function scopesOf(scope: Json | undefined): Pick<Subject, 'scopes'> {
  if (scope === undefined) return {};
  if (typeof scope !== 'string') throw refuse('scope is no text (RFC 9068 §2.2.3)');
  const scopes = scope.split(' ');
  const ours = scopes.filter((one) => one.startsWith('mcp:'));
  return scopes.includes('mcp') || ours.length === 0 ? {} : { scopes: Object.freeze(ours) };
}

/** Absent where the issuer says nothing: a policy that wants it denies then. */
function deviceOf(claims: JsonObject, { deviceClaim }: TrustedIssuer): Pick<Subject, 'device'> {
  const device = deviceClaim === undefined ? undefined : claims[deviceClaim];
  if (device === undefined) return {};
  if (!isPlainName(device)) throw refuse(`${deviceClaim} is not a plain name`);
  return { device };
}

function groupsOf(groups: Json | undefined): readonly string[] {
  if (groups === undefined) return Object.freeze([]);
  if (!Array.isArray(groups) || !groups.every(isPlainName)) throw refuse('groups is not a list of plain names');
  return Object.freeze([...new Set(groups)]);
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
