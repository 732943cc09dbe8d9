import { hash } from 'node:crypto';
import type { GatewayBundle } from '../../contract/bundle.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Arrived, Authenticated } from '../../contract/tool-call.ts';
import { type BindingDeps, type BindingRules, binding } from './binding.ts';
import { SKEW } from './claims.ts';
import { credentials } from './credentials.ts';
import type { FetchPublic } from './discovery.ts';
import { type Generations, generations } from './generations.ts';
import { type KnownIssuer, knownIssuers } from './issuers.ts';
import { nonces } from './nonces.ts';
import { type Verdict, verify } from './verify.ts';

export interface AuthenticationDeps extends BindingDeps {
  /** The bundle in force; asked at each call. */
  readonly bundle: () => Pick<GatewayBundle, 'edge' | 'issuers' | 'revoked' | 'nonceKey'>;
  readonly fetchPublic: FetchPublic;
}

/** What follows from one bundle. */
interface Trust extends BindingRules {
  readonly bundle: ReturnType<AuthenticationDeps['bundle']>;
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
  readonly revoked: ReadonlySet<string>;
}

/** Good verdicts that are kept. Bad ones are not: they would be the attacker's to fill. */
const VERDICTS = 10_000;

/**
 * Who calls? One token of an issuer that the bundle names, made for this endpoint and, where it is bound to a key, for
 * whoever presents it (RFC 6750, RFC 9068, RFC 8707, RFC 9449). Every failure is the same refusal; `detail` tells them
 * apart in the log.
 */
export function authenticateStage(deps: AuthenticationDeps): (call: Arrived) => Promise<Authenticated> {
  // By the token's SHA-256: no token is kept.
  const cache = generations<Verdict>(VERDICTS);
  const checkBinding = binding(deps);
  let trust: Trust | undefined;
  return async (call) => {
    trust = renew(trust, deps, cache);
    const rules = trust;
    const { issuers, resource } = rules;
    const { scheme, token } = credentials(call.headers.authorization);
    const digest = hash('sha256', token, 'base64url');
    const known = cache.get(digest);
    const pending = known?.issuer.keys.upToDate();
    if (pending) await pending;
    let verdict = known && stillHolds(known, deps.now()) ? known : undefined;
    if (!verdict) {
      verdict = await verify(token, issuers, resource, deps.now());
      // A bundle that came while we waited for keys has emptied the cache of what the old one's issuers said.
      if (issuers === trust.issuers && resource === trust.resource) cache.put(digest, verdict);
    }
    checkUse(verdict, trust, call.server);
    const { confirmation } = verdict;
    if (confirmation !== undefined || scheme !== 'bearer')
      await checkBinding(call, { scheme, digest, confirmation }, rules);
    return new Authenticated(call, verdict.subject, (verdict.exp + SKEW) * 1000);
  };
}

function renew(trust: Trust | undefined, deps: AuthenticationDeps, cache: Generations<Verdict>): Trust {
  const bundle = deps.bundle();
  if (trust?.bundle === bundle) return trust;
  const resource = `${bundle.edge.origin}/mcp`;
  const issuers = knownIssuers(bundle.issuers, trust?.issuers ?? new Map(), deps);
  if (issuers !== trust?.issuers || resource !== trust.resource) cache.clear();
  const { nonceKey } = bundle;
  return {
    bundle,
    resource,
    issuers,
    revoked: new Set(bundle.revoked),
    nonces: nonceKey === undefined ? undefined : nonces(nonceKey),
  };
}

function stillHolds({ issuer, key, exp }: Verdict, now: number): boolean {
  return Math.floor(now / 1000) - SKEW < exp && issuer.keys.holds(key);
}

/** What may differ from one use of a token to the next. */
function checkUse({ subject, opens }: Verdict, { revoked }: Trust, server: string | undefined): void {
  if (subject.tokenId !== undefined && revoked.has(subject.tokenId)) throw new Refusal('unauthenticated', 'revoked');
  if (!opens.all && (server === undefined || !opens.servers.has(server))) {
    throw new Refusal('unauthenticated', 'token for another endpoint (RFC 8707)');
  }
}
