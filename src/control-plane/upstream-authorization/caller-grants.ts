import { hash, randomBytes, randomUUID } from 'node:crypto';
import { exportJWK } from 'jose';
import { DPoP } from 'oauth4webapi';
import { LONGEST_LEASE } from '../../contract/wire-secret.ts';
import type { LeaseWish, Visit } from '../../contract/zone-link.ts';
import { NotExchangeable } from './caller-tokens.ts';
import { codeRequest, redeemed } from './code-request.ts';
import { checkAudience } from './exchange.ts';
import { NotAuthorized } from './fetching.ts';
import type { GrantRules } from './grant-rules.ts';
import type { Grant, Grantee, GrantStore } from './grant-store.ts';
import type { KnownIssuers } from './known-issuers.ts';
import { keyFor, keyOf, prover, type TokenLease } from './proof.ts';
import { refreshed, revoke } from './renewal.ts';
import type { Token } from './token-endpoint.ts';
import { Visits, type WaitingVisit, type Wanted } from './visits.ts';

/** Milliseconds: before its end a token is not lent any more; in which one is too new to be asked for anew. */
const MARGIN = 10_000;
const FRESH = 5000;

/** The person has to authorize us at an address first. */
export class PersonNeeded extends Error {
  readonly visit: Visit;

  constructor(visit: Visit) {
    super('a person has to authorize us first');
    this.visit = visit;
  }
}

export interface CallerGrantsDeps {
  readonly store: GrantStore;
  readonly issuers: KnownIssuers;
  /** `https://HOST:PORT`, where our pages are. */
  readonly origin: string;
  /** What is in force for a server; undefined: nobody authorizes us there. */
  readonly rules: (server: string) => GrantRules | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly report: (event: { event: string; subject: string; tenant: string; server: string; detail?: string }) => void;
  /** A person has been where `visit` led. */
  readonly visited: (visit: string) => void;
}

/**
 * What persons have authorized us for at remote servers, each for himself: there is no other way to have it, and nobody
 * else's will do in its place (A2). It is renewed as long as its issuer renews it, and ends when that refuses.
 */
export class CallerGrants {
  readonly #deps: CallerGrantsDeps;
  readonly #visits: Visits;
  readonly #renewing = new Map<string, Promise<void>>();

  constructor(deps: CallerGrantsDeps) {
    this.#deps = deps;
    this.#visits = new Visits(deps.now);
  }

  /** @throws NotExchangeable, NotAuthorized, NoSecret, PersonNeeded */
  async lease(rules: GrantRules, wish: LeaseWish): Promise<TokenLease> {
    if (wish.isPerson !== true) throw new NotExchangeable('a workload is nobody who could authorize us');
    const whose = granteeOf(rules, wish);
    const lacking = furtherScopes(rules, wish.lacking);
    const known = this.#deps.store.find(whose);
    const had = known?.grant.scope.every((scope) => isAllowed(rules, scope)) ? known.grant.scope : undefined;
    const scope = [...new Set([...(had ?? rules.scopes), ...lacking])];
    if (had === undefined || scope.length > had.length) throw this.#needed({ ...rulesAnd(rules, wish), scope });
    await this.#renew(whose, rules, wish.refused);
    const current = this.#deps.store.find(whose);
    if (current === undefined) throw this.#needed({ ...rulesAnd(rules, wish), scope });
    const { grant, version } = current;
    const until = Math.min(grant.until, this.#deps.now() + LONGEST_LEASE);
    const lent = { id: randomUUID(), value: grant.access, version, until };
    return grant.key === undefined ? lent : { ...lent, prove: prover(await keyOf(grant.key), rules.url, grant.access) };
  }

  /** What a person is waited for with; undefined: nothing any more. */
  waiting(id: string): WaitingVisit | undefined {
    return this.#visits.waiting(id);
  }

  /** The person does not want it. */
  refuse(visit: WaitingVisit): void {
    this.#visits.end(visit);
    this.#tell('upstream-refused', visit.rules.server, visit);
  }

  /**
   * The person wants it: where his browser goes now, and what it has to come back with.
   * @throws NotAuthorized, NoSecret
   */
  async agree(visit: WaitingVisit): Promise<{ readonly url: string; readonly browser: string }> {
    const { rules, tenant, scope } = visit;
    const metadata = await this.#deps.issuers.metadata(rules.issuer, rules.fetch);
    if (!metadata.authorization_endpoint?.startsWith('https:'))
      throw new NotAuthorized(`${rules.issuer} has no authorization endpoint to which a person could be sent`);
    const client = { id: rules.clientId, ...(await rules.credential(tenant)) };
    const key = rules.dpop ? await keyFor(metadata, true) : undefined;
    // One address for each server, so for each issuer: answers cannot be mixed up even where `iss` is not given (RFC 9700 §4.4.2).
    const redirectUri = `${this.#deps.origin}/oauth/authorized/${rules.server}`;
    const dpop = key && DPoP({}, key);
    const request = await codeRequest({ metadata, client, redirectUri, resource: rules.audience, scope, dpop });
    const browser = randomBytes(32).toString('base64url');
    this.#visits.away(visit, { request, key, browser: digestOf(browser) });
    return { url: request.url, browser };
  }

  /**
   * Somebody comes from the issuer. It counts in the browser that went there, once, for the server that it was for.
   * @param browserOf what the browser has of a visit
   * @returns undefined: nobody is waited for with that
   * @throws NotAuthorized, NoSecret
   */
  async back(server: string, came: URLSearchParams, browserOf: (visit: string) => string | undefined) {
    const [state = '', ...more] = came.getAll('state');
    const away = more.length > 0 ? undefined : this.#visits.back(state);
    if (away === undefined) return undefined;
    const { visit, request, key } = away;
    if (digestOf(browserOf(visit.id) ?? '') !== away.browser || visit.rules.server !== server) {
      this.#tell('upstream-foreign-answer', server, visit);
      return undefined;
    }
    const { rules, scope } = visit;
    const token = await redeemed(request, came, rules.fetch);
    checkAudience(rules.issuer, token.value, rules.audience);
    const jwk = key && (await exportJWK(key.privateKey));
    this.#deps.store.put(granteeOf(rules, visit), { ...grantOf(token, this.#deps.now()), scope, key: jwk });
    this.#visits.end(visit);
    this.#tell('upstream-authorized', server, visit);
    this.#deps.visited(visit.id);
    return visit;
  }

  /** Without anything that could be shown to a server. */
  list(): readonly (Grantee & Pick<Grant, 'scope' | 'since'>)[] {
    return this.#deps.store.list().map(({ whose, grant: { scope, since } }) => ({ ...whose, scope, since }));
  }

  /**
   * Takes back what a subject has given us, here at once and then at the issuers, as far as they hear of it (RFC 7009).
   * @param server undefined: at all servers
   * @returns what there was
   */
  withdraw(subject: string, tenant: string | undefined, server?: string): readonly Grantee[] {
    const isMeant = (whose: Grantee) =>
      whose.subject === subject &&
      (tenant === undefined || whose.tenant === tenant) &&
      (server === undefined || whose.server === server);
    const meant = this.#deps.store.list().filter(({ whose }) => isMeant(whose));
    for (const { whose, grant } of meant) {
      this.#deps.store.remove(whose);
      this.#tell('upstream-withdrawn', whose.server, whose);
      void this.#revoke(whose, grant);
    }
    return meant.map(({ whose }) => whose);
  }

  #needed(wanted: Wanted): Error {
    const visit = this.#visits.want(wanted);
    if (visit === undefined) return new NotAuthorized('too many persons are waited for');
    return new PersonNeeded({ id: visit.id, url: `${this.#deps.origin}/oauth/upstream/${visit.id}` });
  }

  /** One renewal at a time: of two that show one refresh token, an issuer takes the second for a thief. */
  async #renew(whose: Grantee, rules: GrantRules, refused: number | undefined): Promise<void> {
    const key = JSON.stringify(whose);
    await this.#renewing.get(key);
    const known = this.#deps.store.find(whose);
    if (known === undefined) return;
    const { grant, version } = known;
    const isRefused = refused === version;
    if (isRefused && this.#deps.now() - grant.since < FRESH)
      throw new NotAuthorized('the server refuses a token that was made for it just now');
    if (!isRefused && this.#deps.now() < grant.until - MARGIN) return;
    const renewing = this.#renewing.get(key) ?? this.#renewed(whose, rules, grant, version);
    this.#renewing.set(key, renewing);
    try {
      await renewing;
    } finally {
      if (this.#renewing.get(key) === renewing) this.#renewing.delete(key);
    }
  }

  async #renewed(whose: Grantee, rules: GrantRules, grant: Grant, version: number): Promise<void> {
    const isStill = () => this.#deps.store.find(whose)?.version === version;
    const end = (detail: string) => {
      if (isStill()) this.#deps.store.remove(whose);
      this.#tell('upstream-ended', whose.server, whose, detail);
    };
    if (grant.refresh === undefined) return end('there is no refresh token');
    try {
      const metadata = await this.#deps.issuers.metadata(rules.issuer, rules.fetch);
      const client = { id: rules.clientId, ...(await rules.credential(whose.tenant)) };
      const token = await refreshed(metadata, client, grant.refresh, grant.key, rules);
      checkAudience(rules.issuer, token.value, rules.audience);
      // What was withdrawn meanwhile does not come back.
      if (isStill()) this.#deps.store.put(whose, { ...grant, ...grantOf(token, this.#deps.now(), grant.refresh) });
      else await this.#revoke(whose, grantOf(token, 0, grant.refresh));
    } catch (error) {
      if (!(error instanceof NotAuthorized) || error.code !== 'invalid_grant') throw error;
      end(error.message);
    }
  }

  async #revoke(whose: Grantee, { refresh, access }: Pick<Grant, 'refresh' | 'access'>): Promise<void> {
    const rules = this.#deps.rules(whose.server);
    if (rules?.issuer !== whose.issuer || rules.clientId !== whose.clientId) return;
    try {
      const metadata = await this.#deps.issuers.metadata(rules.issuer, rules.fetch);
      const client = { id: rules.clientId, ...(await rules.credential(whose.tenant)) };
      await revoke(metadata, client, refresh ?? access, rules.fetch);
    } catch (error) {
      this.#tell('upstream-not-told', whose.server, whose, error instanceof Error ? error.message : String(error));
    }
  }

  #tell(event: string, server: string, { subject, tenant }: Pick<Wanted, 'subject' | 'tenant'>, detail?: string): void {
    this.#deps.report({ event, subject, tenant, server, ...(detail !== undefined && { detail }) });
  }
}

function granteeOf(
  { server, url, issuer, audience, clientId }: GrantRules,
  { subject, tenant }: Pick<Wanted, 'subject' | 'tenant'>,
): Grantee {
  return { server, url, issuer, audience, clientId, subject, tenant };
}

function rulesAnd(rules: GrantRules, { subject, tenant, client }: LeaseWish): Omit<Wanted, 'scope'> {
  return { rules, subject, tenant, client };
}

/** What the operator lets people be asked for. */
function isAllowed({ scopes, further }: GrantRules, scope: string): boolean {
  return scopes.includes(scope) || further.includes(scope);
}

/** What a server wants beyond, as far as the operator has it. @throws NotAuthorized */
function furtherScopes(rules: GrantRules, lacking = ''): readonly string[] {
  const wanted = lacking.split(' ').filter((scope) => scope !== '');
  const beyond = wanted.filter((scope) => !isAllowed(rules, scope));
  if (beyond.length === 0) return wanted;
  throw new NotAuthorized(
    `the server wants the scope ${JSON.stringify(beyond.join(' ').slice(0, 512))}, which is in neither scopes nor further_scopes`,
  );
}

/** @param before the refresh token that stays where no other is given (RFC 6749 §6) */
function grantOf(
  { value, expiresIn, response }: Token & { readonly response: { readonly refresh_token?: string | undefined } },
  now: number,
  before?: string,
): Pick<Grant, 'access' | 'until' | 'since' | 'refresh'> {
  const until = expiresIn === undefined ? Number.MAX_SAFE_INTEGER : now + expiresIn * 1000;
  return { access: value, until, since: now, refresh: response.refresh_token ?? before };
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64url');
}
