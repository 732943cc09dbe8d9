import { hash } from 'node:crypto';
import type { GatewayBundle } from '../../contract/bundle.ts';
import type { ClientCertificate } from '../../contract/client-certificate.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Arrived, Authenticated, type Subject } from '../../contract/tool-call.ts';
import { type BindingDeps, type BindingRules, binding } from './binding.ts';
import { SKEW } from './claims.ts';
import { credentials } from './credentials.ts';
import type { FetchPublic } from './discovery.ts';
import { type Generations, generations } from './generations.ts';
import { knownIssuers } from './issuers.ts';
import { nonces } from './nonces.ts';
import { trustDomain } from './trust-domain.ts';
import { type Trusted, type Verdict, verify } from './verify.ts';

export interface AuthenticationDeps extends BindingDeps {
  /** The bundle in force; asked at each call. */
  readonly bundle: () => Pick<GatewayBundle, 'edge' | 'issuers' | 'revoked' | 'nonceKey' | 'spiffe'>;
  readonly fetchPublic: FetchPublic;
  readonly sources: Sources;
}

/** Addresses from which proofs come that prove nothing. */
export interface Sources {
  /** Throws the refusal of one that has sent too many; what is known to be good is not asked about. */
  demand(remote: string): void;
  bad(remote: string): void;
}

/** What follows from one bundle. */
interface Trust extends BindingRules, Trusted {
  readonly bundle: ReturnType<AuthenticationDeps['bundle']>;
  readonly revoked: ReadonlySet<string>;
}

/** Who it is, and until when, in milliseconds since the epoch. */
interface Known {
  readonly subject: Subject;
  readonly until: number;
}

/** Good verdicts that are kept. Bad ones are not: they would be the attacker's to fill. */
const VERDICTS = 10_000;

/**
 * Who calls? One token of an issuer that the bundle names, made for this endpoint and, where it is bound to a key, for
 * whoever presents it (RFC 6750, RFC 9068, RFC 8707, RFC 9449, RFC 8705); or, without a token, the workload whose SVID
 * the connection was made with. Every failure is the same refusal; `detail` tells them apart in the log.
 */
export function authenticateStage(deps: AuthenticationDeps): (call: Arrived) => Promise<Authenticated> {
  // By the token's SHA-256: no token is kept.
  const cache = generations<Verdict>(VERDICTS);
  const checkBinding = binding(deps);
  let trust: Trust | undefined;
  return async (call) => {
    trust = renew(trust, deps, cache);
    const { subject, until } = call.vouched === undefined ? await byWhatItShows(call, trust) : vouchedFor(call.vouched);
    return new Authenticated(call, subject, until);
  };

  async function byWhatItShows(call: Arrived, rules: Trust): Promise<Known> {
    const { bundle, domain } = rules;
    const { authorization } = call.headers;
    if (bundle.edge.clientCa !== undefined) demandTrusted(call.certificate, deps.now());
    const isWorkload = authorization === undefined && domain !== undefined && call.certificate !== undefined;
    const known = isWorkload ? domain.workload(call.certificate, deps.now()) : await byTokenCounted(call, rules);
    const ends = bundle.edge.clientCa === undefined ? known.until : (call.certificate?.notAfter ?? 0);
    return { subject: known.subject, until: Math.min(known.until, ends) };
  }

  /** Another gateway of the fleet has found that out; what it was told of revocations may be older than what we were. */
  function vouchedFor({ subject, until }: Known): Known {
    const isRevoked = subject.tokenId !== undefined && trust?.revoked.has(subject.tokenId);
    if (isRevoked || deps.now() >= until) throw new Refusal('unauthenticated', 'revoked or expired on its way here');
    return { subject, until };
  }

  async function byTokenCounted(call: Arrived, rules: Trust): Promise<Known> {
    try {
      return await byToken(call, rules);
    } catch (error) {
      const isBad = error instanceof Refusal && error.code === 'unauthenticated';
      if (isBad && call.headers.authorization !== undefined) deps.sources.bad(call.remote);
      throw error;
    }
  }

  async function byToken(call: Arrived, rules: Trust): Promise<Known> {
    const { scheme, token } = credentials(call.headers.authorization);
    const digest = hash('sha256', token, 'base64url');
    const known = cache.get(digest);
    const pending = known?.keys.upToDate();
    if (pending) await pending;
    let verdict = known && stillHolds(known, deps.now()) ? known : undefined;
    if (!verdict) {
      deps.sources.demand(call.remote);
      verdict = await verify(token, rules, rules.resource, deps.now());
      // A bundle that came while we waited for keys has emptied the cache of what the old one's issuers said.
      if (trust !== undefined && isSame(rules, trust)) cache.put(digest, verdict);
    }
    checkUse(verdict, trust ?? rules, call.server);
    const { confirmation, exp, subject } = verdict;
    const until = (exp + SKEW) * 1000;
    if (confirmation === undefined && scheme === 'bearer') return { subject, until };
    await checkBinding(call, { scheme, digest, confirmation }, rules);
    if (confirmation?.certificate === undefined) return { subject, until };
    return { subject, until: Math.min(until, call.certificate?.notAfter ?? 0) };
  }
}

function renew(trust: Trust | undefined, deps: AuthenticationDeps, cache: Generations<Verdict>): Trust {
  const bundle = deps.bundle();
  if (trust?.bundle === bundle) return trust;
  const { edge, issuers, revoked, spiffe, nonceKey } = bundle;
  const next = {
    bundle,
    resource: `${edge.origin}/mcp`,
    issuers: knownIssuers(issuers, trust?.issuers ?? new Map(), deps),
    domain: trustDomain(spiffe, trust?.domain),
    revoked: new Set(revoked),
    nonces: nonceKey === undefined ? undefined : nonces(nonceKey),
  };
  if (trust !== undefined && !isSame(trust, next)) cache.clear();
  return next;
}

/** Would either say the same of a token? */
function isSame(one: Trust, other: Trust): boolean {
  return one.issuers === other.issuers && one.domain === other.domain && one.resource === other.resource;
}

function stillHolds({ keys, key, exp }: Verdict, now: number): boolean {
  return Math.floor(now / 1000) - SKEW < exp && keys.holds(key);
}

/** What may differ from one use of a token to the next. */
function checkUse({ subject, opens }: Verdict, { revoked }: Trust, server: string | undefined): void {
  if (subject.tokenId !== undefined && revoked.has(subject.tokenId)) throw new Refusal('unauthenticated', 'revoked');
  if (!opens.all && (server === undefined || !opens.servers.has(server))) {
    throw new Refusal('unauthenticated', 'token for another endpoint (RFC 8707)');
  }
}

/** With TLS 1.3 a client without one sees its handshake succeed; this is where it learns, and no more than others do. */
function demandTrusted(certificate: ClientCertificate | undefined, now: number): void {
  if (certificate === undefined) throw new Refusal('unauthenticated', 'no client certificate');
  const { untrusted, notAfter } = certificate;
  if (untrusted !== undefined) throw new Refusal('unauthenticated', `client certificate: ${untrusted}`);
  if (now >= notAfter) throw new Refusal('unauthenticated', 'client certificate: it has expired meanwhile');
}
