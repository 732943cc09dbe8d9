import { hash, randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretName } from '../../contract/secret-store.ts';
import { privateDirectory, readSecret, StateError, stateDirectory, writeNew } from '../pki/state-files.ts';
import { type Sealed, seal, sealed, unseal } from './sealed.ts';

export interface Listed extends SecretName {
  /** Newest first. */
  readonly versions: readonly { readonly version: number; readonly created: string }[];
}

/**
 * The embedded vault: a folder in the state directory, a key of mode 0600, and one file for each version of each
 * secret. A version is written once, whole or not at all, and never overwritten; so commands may write while zones read.
 */
export class Vault {
  readonly #directory: string;
  readonly #key: Buffer;
  readonly #now: () => number;

  /**
   * @param folder of the state directory
   * @throws StateError when files are open to other users, or the key is none
   */
  constructor(stateDir: string, now: () => number, folder = 'secrets') {
    this.#directory = privateDirectory(join(stateDirectory(stateDir), folder));
    this.#key = keyIn(join(this.#directory, 'key'), this.#names().length === 0);
    this.#now = now;
  }

  has(name: SecretName): boolean {
    return this.#versions(name).length > 0;
  }

  /** @throws StateError when the newest version was altered */
  newest(name: SecretName): { readonly version: number; readonly value: string } | undefined {
    const version = this.#versions(name)[0];
    if (version === undefined) return undefined;
    const file = this.#file(name, version);
    const found = this.#read(file);
    try {
      if (!isFor(found, name) || found.version !== version) throw new Error('of another name');
      return { version, value: unseal(this.#key, found) };
    } catch {
      throw new StateError(
        `${file} was altered, or sealed with another key; remove it, or put its value again with secrets rotate`,
      );
    }
  }

  /**
   * Writes the next version.
   * @returns its number, from 1
   */
  put(name: SecretName, value: string): number {
    const version = (this.#versions(name)[0] ?? 0) + 1;
    const created = new Date(this.#now()).toISOString();
    writeNew(this.#file(name, version), `${JSON.stringify(seal(this.#key, name, version, created, value))}\n`);
    return version;
  }

  /** Writes the next version, and takes those before away. @returns its number */
  replace(name: SecretName, value: string): number {
    const old = this.#versions(name);
    const version = this.put(name, value);
    for (const one of old) rmSync(this.#file(name, one), { force: true });
    return version;
  }

  /** Takes all versions away. @returns whether there was one */
  remove(name: SecretName): boolean {
    const versions = this.#versions(name);
    for (const version of versions) rmSync(this.#file(name, version), { force: true });
    return versions.length > 0;
  }

  /** Names and versions, never values. */
  list(): readonly Listed[] {
    const all = new Map<string, { name: SecretName; versions: Listed['versions'][number][] }>();
    for (const file of this.#names()) {
      const { ref, tenant, subject, version, created } = this.#read(join(this.#directory, file));
      const entry = all.get(file.slice(0, 43)) ?? { name: { ref, tenant, subject }, versions: [] };
      entry.versions.push({ version, created });
      all.set(file.slice(0, 43), entry);
    }
    const key = ({ ref, tenant, subject = '' }: SecretName) => JSON.stringify([ref, tenant, subject]);
    return [...all.values()]
      .map(({ name, versions }) => ({ ...name, versions: versions.sort((a, b) => b.version - a.version) }))
      .sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  #read(file: string): Sealed {
    try {
      return sealed.parse(JSON.parse(readSecret(file) ?? ''));
    } catch (error) {
      throw error instanceof StateError ? error : new StateError(`${file} is no sealed secret; move it away`);
    }
  }

  #versions(name: SecretName): number[] {
    const prefix = `${digestOf(name)}.`;
    const own = this.#names().filter((file) => file.startsWith(prefix));
    return own.map((file) => Number(file.slice(prefix.length, -'.json'.length))).sort((a, b) => b - a);
  }

  #names(): string[] {
    return readdirSync(this.#directory).filter((file) => /^[\w-]{43}\.[1-9]\d*\.json$/.test(file));
  }

  #file(name: SecretName, version: number): string {
    return join(this.#directory, `${digestOf(name)}.${version}.json`);
  }
}

/** @param mayMake there is nothing yet that was sealed with another one */
function keyIn(file: string, mayMake: boolean): Buffer {
  const text = readSecret(file);
  if (text === undefined) {
    if (!mayMake) throw new StateError(`${file} is missing, but what was sealed with it is there`);
    const key = randomBytes(32);
    writeNew(file, `${key.toString('base64url')}\n`);
    return key;
  }
  const key = Buffer.from(text.trim(), 'base64url');
  if (key.length !== 32) throw new StateError(`${file} is no key of 256 bits`);
  return key;
}

function isFor(found: Sealed, { ref, tenant, subject }: SecretName): boolean {
  return found.ref === ref && found.tenant === tenant && found.subject === subject;
}

/** A name for files: whatever tenants and subjects are called, and never two names alike. */
function digestOf({ ref, tenant, subject }: SecretName): string {
  return hash('sha256', JSON.stringify([ref, tenant, subject ?? null]), 'base64url');
}
