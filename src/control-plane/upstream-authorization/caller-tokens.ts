import { hash, randomUUID } from 'node:crypto';
import { DPoP } from 'oauth4webapi';
import { LONGEST_LEASE } from '../../contract/wire-secret.ts';
import type { LeaseWish } from '../../contract/zone-link.ts';
import { type Exchange, exchanged } from './exchange.ts';
import { type Fetch, NotAuthorized } from './fetching.ts';
import type { KnownIssuers } from './known-issuers.ts';
import type { OwnClient } from './own-client.ts';
import { claimsOf } from './presented.ts';
import { keyFor, type ProofKey, prover, type TokenLease } from './proof.ts';

/** Tokens that are kept; the oldest give way. */
const MOST = 10_000;
/** Milliseconds: before its end a token is not lent any more; one without an end is kept for so long, and none longer. */
const MARGIN = 10_000;
const UNTOLD = 60_000;
const LONGEST = 60 * 60_000;
/** Milliseconds in which a token is too new to be asked for anew. */
const FRESH = 5000;

/** How one server's callers get tokens for it. */
export interface ExchangeRules {
  /** Of the server's MCP endpoint. */
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  readonly scope: string | undefined;
  /** Further issuers whose tokens `issuer` is known to take. */
  readonly trusts: readonly string[];
  /** Whether tokens are bound to a key where the issuer can do that: the server understands it (RFC 9449). */
  readonly dpop: boolean;
  /** What `issuer` knows us by. */
  readonly clientId: string;
  /** By what we show that, for callers of one tenant. @throws NoSecret */
  credential(tenant: string): Promise<Pick<OwnClient, 'secret' | 'key'>>;
  readonly fetch: Fetch;
}

/** The caller has nothing that could be exchanged, whatever the issuer says. */
export class NotExchangeable extends Error {}

interface Kept {
  readonly token: Promise<{ readonly value: string; readonly until: number; readonly key: ProofKey | undefined }>;
  readonly number: number;
  readonly at: number;
  value: string | undefined;
  /** Milliseconds since the epoch; of one that is not there yet, none. */
  until: number;
}

/**
 * The tokens of callers at remote servers, in memory. Each is one subject's, one tenant's, one issuer's and one
 * audience's, and was got for one token that the caller has shown; there is no other way to have it (A2).
 */
export class CallerTokens {
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  /** Whose a token is, by its SHA-256; remembered for longer than the token is kept. */
  readonly #owners = new Map<string, string>();
  readonly #issuers: KnownIssuers;
  #made = 0;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number, issuers: KnownIssuers) {
    this.#now = now;
    this.#issuers = issuers;
  }

  /** @throws NotExchangeable, NotAuthorized, NoSecret */
  async lease(rules: ExchangeRules, wish: LeaseWish): Promise<TokenLease> {
    const { subject, tenant, server, presented, refused, lacking } = wish;
    if (presented === undefined) throw new NotExchangeable('the caller has shown no token that may be exchanged');
    const iss = claimsOf(presented)?.iss;
    if (iss === undefined || (iss !== rules.issuer && !rules.trusts.includes(iss)))
      throw new NotExchangeable(`a token of ${iss} is not for the eyes of ${rules.issuer}`);
    if (lacking !== undefined)
      throw new NotAuthorized(
        `the server wants the scope ${JSON.stringify(lacking.slice(0, 512))}; asked for is ${JSON.stringify(rules.scope ?? '')}`,
      );
    const owner = JSON.stringify([subject, tenant]);
    const { issuer, audience, scope, clientId } = rules;
    const what = [server, issuer, audience, scope, clientId, hash('sha256', presented, 'base64url')];
    const key = JSON.stringify([owner, ...what]);
    const kept = this.#usable(key, refused) ?? this.#begin(key, owner, rules, tenant, presented);
    const { value, until, key: bound } = await kept.token;
    const lent = { id: randomUUID(), value, version: kept.number, until: Math.min(until, this.#now() + LONGEST_LEASE) };
    return bound === undefined ? lent : { ...lent, prove: prover(bound, rules.url, value) };
  }

  #usable(key: string, refused: number | undefined): Kept | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const age = this.#now() - kept.at;
    // Another call may have had it made anew meanwhile.
    const anew = refused === kept.number;
    if (anew && kept.value !== undefined && age < FRESH)
      throw new NotAuthorized('the server refuses a token that was made for it just now');
    if (!anew && this.#now() < kept.until - MARGIN) return kept;
    // Whoever asks while it is on its way waits for it.
    if (kept.value === undefined) return kept;
    this.#forget(key, kept);
    return undefined;
  }

  #begin(key: string, owner: string, rules: ExchangeRules, tenant: string, presented: string): Kept {
    for (const [oldest, old] of this.#kept) {
      if (this.#kept.size < MOST && (old.value === undefined || this.#now() < old.until)) break;
      this.#forget(oldest, old);
    }
    const token = this.#exchange(owner, rules, tenant, presented);
    const kept: Kept = { token, number: ++this.#made, at: this.#now(), value: undefined, until: 0 };
    this.#kept.set(key, kept);
    token.then(
      ({ value, until }) => Object.assign(kept, { value, until }),
      () => this.#forget(key, kept),
    );
    return kept;
  }

  async #exchange(owner: string, rules: ExchangeRules, tenant: string, presented: string) {
    const { issuer, audience, scope, clientId } = rules;
    const client = { id: clientId, ...(await rules.credential(tenant)) };
    const { value, expiresIn, bound } = await this.#get(rules, { audience, scope, client, presented });
    const digest = hash('sha256', value, 'base64url');
    if ((this.#owners.get(digest) ?? owner) !== owner)
      throw new NotAuthorized(`${issuer} gave the token of another caller: a shared identity is nobody's`);
    this.#owners.delete(digest);
    this.#owners.set(digest, owner);
    for (const [oldest] of this.#owners) {
      if (this.#owners.size <= 2 * MOST) break;
      this.#owners.delete(oldest);
    }
    const ends = (claimsOf(presented)?.exp ?? Number.POSITIVE_INFINITY) * 1000;
    const lasts = expiresIn === undefined ? UNTOLD : Math.min(expiresIn * 1000, LONGEST);
    return { value, until: Math.min(ends, this.#now() + lasts), key: bound };
  }

  async #get({ issuer, dpop, fetch }: ExchangeRules, asked: Exchange) {
    try {
      const metadata = await this.#issuers.metadata(issuer, fetch);
      const bound = dpop ? await keyFor(metadata) : undefined;
      return { ...(await exchanged(metadata, asked, fetch, bound && DPoP({}, bound))), bound };
    } catch (error) {
      throw error instanceof NotAuthorized ? error : new NotAuthorized(`${issuer}: ${String(error)}`);
    }
  }

  #forget(key: string, kept: Kept): void {
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
  }
}
