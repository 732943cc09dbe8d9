import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StateError } from '../pki/state-files.ts';

/** What the issuer keeps across restarts: people, their passkeys, and what was granted to clients. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS accounts (
    subject TEXT PRIMARY KEY, tenant TEXT NOT NULL, groups TEXT NOT NULL, handle TEXT NOT NULL UNIQUE, since INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS passkeys (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE, public_key BLOB NOT NULL,
    counter INTEGER NOT NULL, transports TEXT NOT NULL, synced INTEGER NOT NULL, since INTEGER NOT NULL, used INTEGER,
    cloned INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS invitations (
    digest TEXT PRIMARY KEY, subject TEXT NOT NULL, tenant TEXT NOT NULL, groups TEXT NOT NULL, until INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS artifacts (
    model TEXT NOT NULL, digest TEXT NOT NULL, uid TEXT, subject TEXT, grant_digest TEXT, consumed INTEGER, until INTEGER,
    payload TEXT NOT NULL, PRIMARY KEY (model, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS artifacts_by_grant ON artifacts (grant_digest);
  CREATE INDEX IF NOT EXISTS artifacts_by_uid ON artifacts (uid);
  CREATE INDEX IF NOT EXISTS artifacts_by_subject ON artifacts (subject);
  CREATE INDEX IF NOT EXISTS artifacts_by_end ON artifacts (until);
`;

/**
 * Opens the issuer's database, readable by this user alone. What is committed is on disk.
 * @throws StateError when it cannot be used
 */
export function openStore(directory: string): DatabaseSync {
  const file = join(directory, 'people.db');
  if (existsSync(file) && (lstatSync(file).mode & 0o077) !== 0)
    throw new StateError(`${file} is open to other users; chmod go-rwx ${file}`);
  try {
    const store = new DatabaseSync(file, { enableForeignKeyConstraints: true });
    chmodSync(file, 0o600);
    store.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
    store.exec(SCHEMA);
    return store;
  } catch (error) {
    throw new StateError(`${file} cannot be used (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** What is kept of a secret that somebody else holds: whoever reads the database can present none. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** All of it or nothing. */
export function atomically<T>(store: DatabaseSync, work: () => T): T {
  store.exec('BEGIN IMMEDIATE');
  try {
    const done = work();
    store.exec('COMMIT');
    return done;
  } catch (error) {
    store.exec('ROLLBACK');
    throw error;
  }
}
