import type { GatewayBundle } from '../../contract/bundle.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Arrived, Authenticated } from '../../contract/tool-call.ts';
import { bearerToken } from './bearer.ts';
import { SKEW } from './claims.ts';
import type { FetchPublic } from './discovery.ts';
import { type KnownIssuer, knownIssuers } from './issuers.ts';
import { type VerdictCache, verdictCache } from './verdict-cache.ts';
import { type Verdict, verify } from './verify.ts';

export interface AuthenticationDeps {
  /** The bundle in force; asked at each call. */
  readonly bundle: () => Pick<GatewayBundle, 'edge' | 'issuers' | 'revoked'>;
  readonly fetchPublic: FetchPublic;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What follows from one bundle. */
interface Trust {
  readonly bundle: ReturnType<AuthenticationDeps['bundle']>;
  readonly resource: string;
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
  readonly revoked: ReadonlySet<string>;
}

/**
 * Who calls? One bearer token of an issuer that the bundle names, made for this endpoint (RFC 6750, RFC 9068, RFC 8707).
 * Every failure is the same refusal; `detail` tells them apart in the log.
 */
export function authenticateStage(deps: AuthenticationDeps): (call: Arrived) => Promise<Authenticated> {
  const cache = verdictCache();
  let trust: Trust | undefined;
  return async (call) => {
    trust = renew(trust, deps, cache);
    const { issuers, resource } = trust;
    const token = bearerToken(call.headers.authorization);
    const known = cache.get(token);
    const pending = known?.issuer.keys.upToDate();
    if (pending) await pending;
    let verdict = known && stillHolds(known, deps.now()) ? known : undefined;
    if (!verdict) {
      verdict = await verify(token, issuers, resource, deps.now());
      // A bundle that came while we waited for keys has emptied the cache of what the old one's issuers said.
      if (issuers === trust.issuers && resource === trust.resource) cache.put(token, verdict);
    }
    checkUse(verdict, trust, call.server);
    return new Authenticated(call, verdict.subject, (verdict.exp + SKEW) * 1000);
  };
}

function renew(trust: Trust | undefined, deps: AuthenticationDeps, cache: VerdictCache): Trust {
  const bundle = deps.bundle();
  if (trust?.bundle === bundle) return trust;
  const resource = `${bundle.edge.origin}/mcp`;
  const issuers = knownIssuers(bundle.issuers, trust?.issuers ?? new Map(), deps);
  if (issuers !== trust?.issuers || resource !== trust.resource) cache.clear();
  return { bundle, resource, issuers, revoked: new Set(bundle.revoked) };
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
