import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { isEmbeddedSubject, isPlainName } from '../../../contract/identity.ts';
import { atomically, digestOf } from '../store.ts';

/** Someone who may sign in. */
export interface Account {
  readonly subject: string;
  readonly tenant: string;
  readonly groups: readonly string[];
  /** What authenticators keep in the subject's place (WebAuthn L3 §14.6.1): random, base64url. */
  readonly handle: string;
}

export interface Invitation {
  readonly subject: string;
  readonly tenant: string;
  readonly groups: readonly string[];
}

export interface Passkey {
  readonly id: string;
  readonly subject: string;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly counter: number;
  readonly transports: readonly string[];
  /** May exist on several devices (WebAuthn L3 §6.1.3, backup eligible). */
  readonly synced: boolean;
  readonly cloned: boolean;
}

export interface Person extends Omit<Account, 'handle'> {
  readonly passkeys: number;
  /** Passkeys that showed a signature counter that a copy had used before (WebAuthn L3 §6.1.1). */
  readonly cloned: number;
  /** Seconds since the epoch. */
  readonly lastSignIn: number | undefined;
}

/** The invitation is not sane; the message is for the operator who asked. */
export class InvitationError extends Error {}

const MAX_PEOPLE = 10_000;
const MAX_PASSKEYS = 8;
/** Seconds. */
const MAX_INVITATION = 24 * 60 * 60;

/** People, their passkeys, and the invitations by which they come: the one door there is. */
export class Accounts {
  readonly #store: DatabaseSync;
  readonly #now: () => number;
  readonly #externalIssuers: readonly string[];

  /** @param externalIssuers where people sign in instead; what they have here is a passkey to confirm calls with */
  constructor(store: DatabaseSync, now: () => number, externalIssuers: readonly string[]) {
    this.#store = store;
    this.#now = now;
    this.#externalIssuers = externalIssuers;
  }

  /**
   * A secret that lets whoever has it enrol one passkey for the subject, once.
   * @throws InvitationError
   */
  invite({ subject, tenant, groups }: Invitation, ttlSeconds: number): string {
    const demand = (held: boolean, message: string) => {
      if (!held) throw new InvitationError(message);
    };
    const external = this.#externalIssuers;
    if (external.length === 0) demand(isEmbeddedSubject(subject), 'subject: 1 to 256 visible characters, without "#"');
    else {
      const isTheirs = external.some(
        (issuer) => subject.startsWith(`${issuer}#`) && subject.length > issuer.length + 1,
      );
      demand(isPlainName(subject) && isTheirs, `subject: ISSUER#SUB, of ${external.join(' or ')}`);
    }
    demand(isPlainName(tenant), 'tenant: 1 to 256 visible characters');
    demand(groups.length <= 64 && groups.every(isPlainName), 'group: at most 64, each of 1 to 256 visible characters');
    const isSane = Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= MAX_INVITATION;
    demand(isSane, `ttl: 1 second to ${MAX_INVITATION / 3600} hours`);
    const known = this.find(subject);
    // A subject is one person: a passkey of one tenant must not become one of another.
    demand(known === undefined || known.tenant === tenant, `${subject} is of the tenant ${known?.tenant} already`);
    this.#forgetExpired();
    demand(this.#count('accounts') + this.#count('invitations') < MAX_PEOPLE, `at most ${MAX_PEOPLE} people`);
    const secret = randomBytes(32).toString('base64url');
    this.#store
      .prepare('INSERT INTO invitations VALUES (?, ?, ?, ?, ?)')
      .run(digestOf(secret), subject, tenant, JSON.stringify(groups), this.#seconds() + ttlSeconds);
    return secret;
  }

  /** What an invitation says, as long as it is good; looking does not use it up. */
  invitation(secret: string): Invitation | undefined {
    const row = this.#store
      .prepare('SELECT subject, tenant, groups FROM invitations WHERE digest = ? AND until > ?')
      .get(digestOf(secret), this.#seconds());
    if (row === undefined) return undefined;
    return { subject: String(row.subject), tenant: String(row.tenant), groups: names(row.groups) };
  }

  /** The passkeys that a subject has, so that an authenticator is not enrolled twice. */
  passkeysOf(subject: string): readonly Pick<Passkey, 'id' | 'transports'>[] {
    const rows = this.#store.prepare('SELECT id, transports FROM passkeys WHERE subject = ?').all(subject);
    return rows.map(({ id, transports }) => ({ id: String(id), transports: names(transports) }));
  }

  /**
   * Uses the invitation up and keeps the passkey; false when it is not good any more, or the passkey is known already.
   * @param handle what the authenticator was given for the subject
   */
  enrol(secret: string, handle: string, passkey: Omit<Passkey, 'subject' | 'cloned'>): boolean {
    return atomically(this.#store, () => {
      const invitation = this.invitation(secret);
      const used = this.#store.prepare('DELETE FROM invitations WHERE digest = ?').run(digestOf(secret));
      if (invitation === undefined || used.changes !== 1 || this.passkey(passkey.id) !== undefined) return false;
      const { subject, tenant, groups } = invitation;
      const known = this.find(subject);
      // Two links that were opened before either was used: the second authenticator was told another handle.
      if (known !== undefined && (known.handle !== handle || known.tenant !== tenant)) return false;
      if (this.passkeysOf(subject).length >= MAX_PASSKEYS) return false;
      this.#store
        .prepare(
          'INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET groups = excluded.groups',
        )
        .run(subject, tenant, JSON.stringify(groups), handle, this.#seconds());
      this.#store
        .prepare('INSERT INTO passkeys VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0)')
        .run(
          passkey.id,
          subject,
          passkey.publicKey,
          passkey.counter,
          JSON.stringify(passkey.transports),
          Number(passkey.synced),
          this.#seconds(),
        );
      return true;
    });
  }

  find(subject: string): Account | undefined {
    const row = this.#store.prepare('SELECT tenant, groups, handle FROM accounts WHERE subject = ?').get(subject);
    if (row === undefined) return undefined;
    return { subject, tenant: String(row.tenant), groups: names(row.groups), handle: String(row.handle) };
  }

  passkey(id: string): Passkey | undefined {
    const row = this.#store.prepare('SELECT * FROM passkeys WHERE id = ?').get(id);
    if (row === undefined || !(row.public_key instanceof Uint8Array)) return undefined;
    return {
      id,
      subject: String(row.subject),
      publicKey: new Uint8Array(row.public_key),
      counter: Number(row.counter),
      transports: names(row.transports),
      synced: row.synced === 1,
      cloned: row.cloned === 1,
    };
  }

  used(id: string, counter: number): void {
    this.#store.prepare('UPDATE passkeys SET counter = ?, used = ? WHERE id = ?').run(counter, this.#seconds(), id);
  }

  /** It opens nothing from now on. */
  markCloned(id: string): void {
    this.#store.prepare('UPDATE passkeys SET cloned = 1 WHERE id = ?').run(id);
  }

  list(): readonly Person[] {
    const rows = this.#store
      .prepare(
        `SELECT subject, tenant, groups, count(id) AS passkeys, total(cloned) AS cloned, max(used) AS used
         FROM accounts LEFT JOIN passkeys USING (subject) GROUP BY subject ORDER BY subject`,
      )
      .all();
    return rows.map((row) => ({
      subject: String(row.subject),
      tenant: String(row.tenant),
      groups: names(row.groups),
      passkeys: Number(row.passkeys),
      cloned: Number(row.cloned),
      lastSignIn: row.used === null ? undefined : Number(row.used),
    }));
  }

  /** False when there was none. Invitations of the subject end too. */
  remove(subject: string): boolean {
    this.#store.prepare('DELETE FROM invitations WHERE subject = ?').run(subject);
    return this.#store.prepare('DELETE FROM accounts WHERE subject = ?').run(subject).changes === 1;
  }

  #forgetExpired(): void {
    this.#store.prepare('DELETE FROM invitations WHERE until <= ?').run(this.#seconds());
  }

  #count(table: 'accounts' | 'invitations'): number {
    return Number(this.#store.prepare(`SELECT count(*) AS held FROM ${table}`).get()?.held);
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }
}

function names(json: unknown): readonly string[] {
  const value: unknown = JSON.parse(String(json));
  return Array.isArray(value) ? value.map(String) : [];
}
