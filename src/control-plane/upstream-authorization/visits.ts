import { hash, randomBytes } from 'node:crypto';
import type { CodeRequest } from './code-request.ts';
import type { GrantRules } from './grant-rules.ts';
import type { ProofKey } from './proof.ts';

/** Milliseconds that a person has to come, and to come back from the issuer. */
const WAITING = 10 * 60_000;
/** A subject's oldest gives way to its newest. */
const PER_SUBJECT = 16;
const TOTAL = 1024;

/** What one person is to authorize us for at one server. */
export interface Wanted {
  readonly rules: GrantRules;
  readonly subject: string;
  readonly tenant: string;
  /** Who called in the person's name, as the token says. */
  readonly client: string | undefined;
  readonly scope: readonly string[];
}

export interface WaitingVisit extends Wanted {
  readonly id: string;
}

/** A person who has agreed, and is at the issuer. */
export interface Away {
  readonly request: CodeRequest;
  readonly key: ProofKey | undefined;
  /** SHA-256, base64url, of what the one browser has that may come back. */
  readonly browser: string;
}

interface Kept {
  readonly visit: WaitingVisit;
  readonly digest: string;
  /** Milliseconds since the epoch. */
  until: number;
  away: Away | undefined;
}

/** Persons who are waited for. In memory: after a restart the call is made again. */
export class Visits {
  readonly #now: () => number;
  /** By id, the oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** One visit for what is wanted, however often it is. @returns undefined: too many are waited for */
  want(wanted: Wanted): WaitingVisit | undefined {
    this.#prune();
    const digest = digestOf(wanted);
    const all = [...this.#kept.values()];
    const known = all.find((kept) => kept.digest === digest);
    if (known !== undefined) return known.visit;
    const { subject, tenant } = wanted;
    const own = all.filter(({ visit }) => visit.subject === subject && visit.tenant === tenant);
    const [oldest] = own;
    if (own.length >= PER_SUBJECT && oldest !== undefined) this.#kept.delete(oldest.visit.id);
    if (this.#kept.size >= TOTAL) return undefined;
    const visit = { ...wanted, id: randomBytes(16).toString('base64url') };
    this.#kept.set(visit.id, { visit, digest, until: this.#now() + WAITING, away: undefined });
    return visit;
  }

  /** Undefined: it is over, or was never there. */
  waiting(id: string): WaitingVisit | undefined {
    this.#prune();
    return this.#kept.get(id)?.visit;
  }

  end({ id }: WaitingVisit): void {
    this.#kept.delete(id);
  }

  /** The person has agreed; whoever went before and did not come back, comes too late from now on. */
  away({ id }: WaitingVisit, away: Away): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    kept.away = away;
    kept.until = this.#now() + WAITING;
  }

  /** Whose answer has this `state`: once, whatever comes of it. */
  back(state: string): (Away & { readonly visit: WaitingVisit }) | undefined {
    this.#prune();
    const kept = [...this.#kept.values()].find(({ away }) => away?.request.state === state);
    const away = kept?.away;
    if (kept === undefined || away === undefined) return undefined;
    kept.away = undefined;
    return { ...away, visit: kept.visit };
  }

  #prune(): void {
    for (const [id, { until }] of this.#kept) if (until <= this.#now()) this.#kept.delete(id);
  }
}

function digestOf({ rules, subject, tenant, client, scope }: Wanted): string {
  const { server, url, issuer, audience, clientId } = rules;
  const parts = [subject, tenant, client, scope, server, url, issuer, audience, clientId];
  return hash('sha256', JSON.stringify(parts), 'base64url');
}
