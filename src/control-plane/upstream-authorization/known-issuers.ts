import type { AuthorizationServer } from 'oauth4webapi';
import type { Fetch } from './fetching.ts';
import { issuerMetadata } from './issuer.ts';

/** Milliseconds for which an issuer's metadata counts. */
const LASTS = 10 * 60_000;

/** Issuers as they say of themselves, each asked once in ten minutes. */
export class KnownIssuers {
  readonly #now: () => number;
  readonly #known = new WeakMap<Fetch, Map<string, { metadata: Promise<AuthorizationServer>; until: number }>>();

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws NotAuthorized */
  metadata(issuer: string, fetch: Fetch): Promise<AuthorizationServer> {
    const known = this.#known.get(fetch) ?? new Map();
    this.#known.set(fetch, known);
    const found = known.get(issuer);
    if (found !== undefined && this.#now() < found.until) return found.metadata;
    const asked = { metadata: issuerMetadata(issuer, fetch), until: this.#now() + LASTS };
    known.set(issuer, asked);
    asked.metadata.catch(() => {
      if (known.get(issuer) === asked) known.delete(issuer);
    });
    return asked.metadata;
  }
}
