import type { DatabaseSync } from 'node:sqlite';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { z } from 'zod';
import { digestOf } from './store.ts';

/** Rows of one kind; whoever asks for more is told to come back. A person and a client make a handful each. */
const MAX_ROWS = 20_000;
/** Sign-ins that have begun. Strangers can begin them, so they cost no disk, and the oldest gives way. */
const MAX_BEGUN = 2_000;

/** Access tokens that clients hold: their ids, which open nothing. */
const ISSUED = 'Issued';

const payloads = z.looseObject({});

/** An access token; `until` in seconds since the epoch. */
interface Issued {
  readonly jti: string;
  readonly until: number;
}

export interface Artifacts {
  /** What the provider keeps, by the name of its model. */
  adapter(model: string): Adapter;
  /** Remembers an access token for its life, so that it can end with its grant. @param life seconds */
  issued(jti: string, grantId: string, life: number): void;
  /** A browser is nobody's from now on. @param uid by which a session is looked up, not what its browser presents */
  endSession(uid: string): void;
  /** Clients that a subject lets use tools, each once. */
  clients(subject: string): readonly string[];
  /** Ends every session and grant of a subject, and whatever hangs on them. */
  forget(subject: string): void;
}

/**
 * What the provider keeps: sessions, grants, codes, refresh tokens, used proofs. Each is found by the digest of its id
 * alone, and the id itself is not kept: it is what its holder presents.
 * @param revoke access tokens whose grant has ended before them (RFC 6749 §10.5, RFC 9700 §4.14.2)
 */
export function openArtifacts(
  store: DatabaseSync,
  now: () => number,
  revoke: (tokens: readonly Issued[]) => void,
): Artifacts {
  const begun = new BegunSignIns(now);
  const endGrant = (grant: string) => {
    const rows = store
      .prepare('DELETE FROM artifacts WHERE grant_digest = ? RETURNING model, digest, until')
      .all(grant);
    const tokens = rows
      .filter(({ model }) => model === ISSUED)
      .map(({ digest, until }) => ({ jti: String(digest), until: Number(until) }));
    if (tokens.length > 0) revoke(tokens);
  };
  return {
    adapter: (model) => (model === 'Interaction' ? begun : new StoredArtifacts(store, model, now, endGrant)),
    issued(jti, grantId, life) {
      store
        .prepare('INSERT OR REPLACE INTO artifacts VALUES (?, ?, NULL, NULL, ?, NULL, ?, ?)')
        .run(ISSUED, jti, digestOf(grantId), Math.floor(now() / 1000) + life, '{}');
    },
    endSession(uid) {
      store.prepare("DELETE FROM artifacts WHERE model = 'Session' AND uid = ?").run(uid);
    },
    clients(subject) {
      const rows = store
        .prepare("SELECT payload FROM artifacts WHERE subject = ? AND model = 'Grant' AND until > ?")
        .all(subject, Math.floor(now() / 1000));
      const ids = rows.map(({ payload }) => payloads.parse(JSON.parse(String(payload))).clientId);
      return [...new Set(ids.map(String))].toSorted();
    },
    forget(subject) {
      const grants = store.prepare("SELECT digest FROM artifacts WHERE subject = ? AND model = 'Grant'").all(subject);
      store.prepare('DELETE FROM artifacts WHERE subject = ?').run(subject);
      for (const { digest } of grants) endGrant(String(digest));
    },
  };
}

class StoredArtifacts implements Adapter {
  readonly #store: DatabaseSync;
  readonly #model: string;
  readonly #now: () => number;
  readonly #endGrant: (grant: string) => void;

  constructor(store: DatabaseSync, model: string, now: () => number, endGrant: (grant: string) => void) {
    this.#store = store;
    this.#model = model;
    this.#now = now;
    this.#endGrant = endGrant;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { jti: _, ...kept } = payload;
    this.#prune();
    const until = expiresIn === undefined ? null : Math.floor(this.#now() / 1000) + expiresIn;
    this.#store
      .prepare('INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        this.#model,
        digestOf(id),
        payload.uid ?? null,
        payload.accountId ?? null,
        payload.grantId === undefined ? null : digestOf(payload.grantId),
        null,
        until,
        JSON.stringify(kept),
      );
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const found = this.#read('digest', digestOf(id));
    return found && { ...found, jti: id };
  }

  /** For what is looked up, never presented: the id stays unknown. */
  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#read('uid', uid);
  }

  async findByUserCode(): Promise<undefined> {}

  /** Once: of two that redeem the same code or refresh token at one moment, the second ends the grant for both. */
  async consume(id: string): Promise<void> {
    const digest = digestOf(id);
    const { changes } = this.#store
      .prepare('UPDATE artifacts SET consumed = ? WHERE model = ? AND digest = ? AND consumed IS NULL')
      .run(Math.floor(this.#now() / 1000), this.#model, digest);
    if (changes === 1) return;
    const row = this.#store
      .prepare('SELECT grant_digest FROM artifacts WHERE model = ? AND digest = ?')
      .get(this.#model, digest);
    if (typeof row?.grant_digest === 'string') this.#endGrantAndFamily(row.grant_digest);
    throw new errors.InvalidGrant('already used');
  }

  async destroy(id: string): Promise<void> {
    const digest = digestOf(id);
    this.#store.prepare('DELETE FROM artifacts WHERE model = ? AND digest = ?').run(this.#model, digest);
    if (this.#model === 'Grant') this.#endGrant(digest);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    this.#endGrantAndFamily(digestOf(grantId));
  }

  #endGrantAndFamily(grant: string): void {
    this.#store.prepare("DELETE FROM artifacts WHERE model = 'Grant' AND digest = ?").run(grant);
    this.#endGrant(grant);
  }

  #read(column: 'digest' | 'uid', value: string): AdapterPayload | undefined {
    const row = this.#store
      .prepare(
        `SELECT payload, consumed FROM artifacts WHERE model = ? AND ${column} = ? AND (until IS NULL OR until > ?)`,
      )
      .get(this.#model, value, Math.floor(this.#now() / 1000));
    if (row === undefined) return undefined;
    const payload: AdapterPayload = payloads.parse(JSON.parse(String(row.payload)));
    return typeof row.consumed === 'number' ? { ...payload, consumed: row.consumed } : payload;
  }

  #prune(): void {
    this.#store.prepare('DELETE FROM artifacts WHERE until <= ?').run(Math.floor(this.#now() / 1000));
    const row = this.#store.prepare('SELECT count(*) AS held FROM artifacts WHERE model = ?').get(this.#model);
    if (Number(row?.held) >= MAX_ROWS) throw new errors.TemporarilyUnavailable('too much is kept already');
  }
}

/** In memory: a sign-in that has begun does not outlive the process in which it began. */
class BegunSignIns implements Adapter {
  readonly #now: () => number;
  readonly #held = new Map<string, { readonly payload: AdapterPayload; readonly until: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn = 0): Promise<void> {
    this.#held.delete(id);
    const [oldest] = this.#held.keys();
    if (this.#held.size >= MAX_BEGUN && oldest !== undefined) this.#held.delete(oldest);
    this.#held.set(id, { payload, until: this.#now() + expiresIn * 1000 });
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const found = this.#held.get(id);
    return found !== undefined && found.until > this.#now() ? found.payload : undefined;
  }

  async destroy(id: string): Promise<void> {
    this.#held.delete(id);
  }

  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}
