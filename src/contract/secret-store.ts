/**
 * Exactly one store. A seam of two methods: a lease is for one call and never longer than five minutes, so that there
 * is nothing to renew.
 */
export interface SecretStore {
  /**
   * Lends the newest version of exactly this secret; there is no other that would do in its place.
   * @param milliseconds after which it counts as revoked
   * @throws NoSecret when there is none
   */
  lease(name: SecretName, milliseconds: number): Promise<Lease>;
  /** Ends a lease before its time. One that is over already is no error. */
  revoke(id: string): Promise<void>;
}

/**
 * Whose secret it is. Every secret has one tenant, and one subject or none: there is no shared one (A2). One of a whole
 * tenant is never given in the place of a subject's, nor the other way round.
 */
export interface SecretName {
  readonly ref: string;
  readonly tenant: string;
  /** `alice` of the embedded issuer, `ISSUER#SUB` of any other; undefined: the tenant's. */
  readonly subject: string | undefined;
}

export interface Lease {
  readonly id: string;
  readonly value: string;
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** There is no secret of that name. */
export class NoSecret extends Error {
  readonly secret: SecretName;

  constructor(secret: SecretName) {
    const { ref, tenant, subject } = secret;
    super(`no secret ${ref} of ${subject === undefined ? `the tenant ${tenant}` : `${subject} of ${tenant}`}`);
    this.secret = secret;
  }
}
