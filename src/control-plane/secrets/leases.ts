import type { Clock } from '../../contract/clock.ts';
import { NoSecret, type SecretStore } from '../../contract/secret-store.ts';
import { LONGEST_LEASE, type ProofWish, type WantedSecret, type WireLease } from '../../contract/wire-secret.ts';
import type { LeaseAnswer, LeaseWish } from '../../contract/zone-link.ts';
import { PersonNeeded } from '../upstream-authorization/caller-grants.ts';
import { NotExchangeable } from '../upstream-authorization/caller-tokens.ts';
import { NotAuthorized } from '../upstream-authorization/fetching.ts';
import type { TokenLease } from '../upstream-authorization/proof.ts';

/** A lease that runs; never its value. */
export interface RunningLease {
  readonly id: string;
  readonly ref: string;
  readonly version: number;
  readonly server: string;
  readonly tenant: string;
  /** Whose call it is, also where the secret is the tenant's. */
  readonly subject: string;
  readonly incident: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface LeasesDeps {
  readonly store: SecretStore;
  /** What is in force for a server, each `ref` once: zone 1 names the server, and never a secret. */
  readonly wanted: (server: string) => readonly WantedSecret[];
  /** The caller's own token at a remote server; undefined: the server needs none. */
  readonly token: (wish: LeaseWish) => Promise<TokenLease> | undefined;
  readonly clock: Clock;
  /** For faults of the store. */
  readonly fault: (error: unknown) => void;
}

interface Running {
  readonly lease: RunningLease;
  readonly cancel: () => void;
  readonly prove: TokenLease['prove'];
}

/** The leases that run: made for one call, ended with it, and after five minutes in any case. */
export class Leases {
  readonly #deps: LeasesDeps;
  readonly #running = new Map<string, Running>();

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
  }

  /** All that the server's calls need for this caller, or none of it. Never rejects. */
  async lend(wish: LeaseWish): Promise<LeaseAnswer> {
    const { store, wanted, token, fault } = this.#deps;
    const lent: WireLease[] = [];
    try {
      for (const { ref, per } of wanted(wish.server)) {
        const subject = per === 'tenant' ? undefined : wish.subject;
        const lease = await store.lease({ ref, tenant: wish.tenant, subject }, LONGEST_LEASE);
        lent.push(this.#add(ref, lease, wish));
      }
      const own = await token(wish);
      if (own !== undefined) lent.push(this.#add('token', own, wish));
      return { leases: lent };
    } catch (error) {
      await this.giveBack(lent.map(({ id }) => id));
      if (error instanceof NotAuthorized) return { failed: error.message };
      if (error instanceof PersonNeeded) return { visit: error.visit };
      if (error instanceof NotExchangeable) return { missing: error.message };
      if (!(error instanceof NoSecret)) fault(error);
      return { missing: error instanceof NoSecret ? error.message : 'the secret store failed' };
    }
  }

  /** Ids that do not run any more are passed over. Never rejects. */
  async giveBack(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const running = this.#running.get(id);
      if (running === undefined) continue;
      running.cancel();
      this.#running.delete(id);
      await this.#deps.store.revoke(id).catch(this.#deps.fault);
    }
  }

  /** Shows possession of the key that a running lease's token is bound to. Never rejects. */
  async prove({ lease, method, nonce }: ProofWish): Promise<string | undefined> {
    try {
      return await this.#running.get(lease)?.prove?.(method, nonce);
    } catch (error) {
      this.#deps.fault(error);
      return undefined;
    }
  }

  running(): readonly RunningLease[] {
    return [...this.#running.values()].map(({ lease }) => lease);
  }

  #add(ref: string, { id, value, version, until, prove }: TokenLease, wish: LeaseWish): WireLease {
    const { server, tenant, subject, incident } = wish;
    const end = () => void this.giveBack([id]);
    const cancel = this.#deps.clock.setTimer(end, Math.max(0, until - this.#deps.clock.now()));
    this.#running.set(id, { lease: { id, ref, version, until, server, tenant, subject, incident }, cancel, prove });
    return { id, ref, value, version, until, ...(prove && { isBound: true }) };
  }
}
