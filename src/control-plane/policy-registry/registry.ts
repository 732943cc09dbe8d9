import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { GatewayBundle } from '../../contract/bundle.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';
import type { BundleId } from '../../contract/signed-bundle.ts';
import { SafetyError } from '../config/problem.ts';
import { privateDirectory, writeNew } from '../pki/state-files.ts';
import type { BundleSigner, SignedBundle } from './sign-bundle.ts';

export const version = z.strictObject({
  version: z.int().min(1),
  digest: z.string(),
  /** Digest of the version before; null: the first. */
  previous: z.string().nullable(),
  /** Digest of its content, by which that is kept. */
  content: z.string(),
  /** `refresh`: what the operator wrote is as it was; revoked tokens, issuers' keys or authorities have changed. */
  kind: z.literal(['start', 'push', 'rollback', 'refresh']),
  who: z.string(),
  /** RFC 3339, UTC. */
  when: z.string(),
  why: z.string(),
});

/** One version of what gateways serve by. */
export type Version = z.output<typeof version>;
export type Change = Pick<Version, 'kind' | 'who' | 'why'>;
/** What of a bundle the operator wrote, or reviewed. */
export type Content = Pick<GatewayBundle, 'policies' | 'servers' | 'limits'>;

/**
 * Every version that was ever signed: who, when, why, and what it said. A version is a file that appears whole, under a name
 * that can be taken once, before any gateway hears of it: so no number is ever signed twice, whenever a process dies.
 */
export class Registry {
  readonly #versions: string;
  readonly #contents: string;
  readonly #signer: BundleSigner;
  readonly #now: () => number;
  readonly #all: Version[];

  /** @throws SafetyError when a version is missing, changed, or does not follow the one before it */
  constructor(state: string, signer: BundleSigner, now: () => number) {
    const directory = privateDirectory(join(state, 'registry'));
    this.#versions = privateDirectory(join(directory, 'versions'));
    this.#contents = privateDirectory(join(directory, 'contents'));
    this.#signer = signer;
    this.#now = now;
    this.#all = readVersions(this.#versions);
  }

  /** Oldest first. */
  get versions(): readonly Version[] {
    return this.#all;
  }

  get newest(): Version | undefined {
    return this.#all.at(-1);
  }

  /** @throws RangeError when there is no such version */
  find(number: number): Version {
    const found = this.#all[number - 1];
    if (found === undefined) throw new RangeError(`there is no version ${number}; the newest is ${this.#all.length}`);
    return found;
  }

  /** Is it one of these versions? Another one of the same number was signed by an older copy of this registry, or a newer one. */
  has({ version: number, digest }: BundleId): boolean {
    return this.#all[number - 1]?.digest === digest;
  }

  /** The next version, signed and on disk. */
  add(bundle: Omit<GatewayBundle, 'version'>, change: Change): SignedBundle {
    const { newest } = this;
    const number = (newest?.version ?? 0) + 1;
    const previous = newest?.digest ?? null;
    const signed = this.#signer.sign({ ...bundle, version: number }, previous);
    const content = this.#store(bundle);
    const when = new Date(this.#now()).toISOString();
    const entry = { version: number, digest: signed.digest, previous, content, ...change, when };
    writeNew(join(this.#versions, fileOf(number)), `${JSON.stringify(entry)}\n`);
    this.#all.push(entry);
    return signed;
  }

  /** What a version said. @throws SafetyError when it is not there as it was written */
  content({ version: number, content: digest }: Pick<Version, 'version' | 'content'>): Content {
    const file = join(this.#contents, `${digest}.json`);
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (hash('sha256', text, 'base64url') !== digest)
      throw new SafetyError(`${file}: what version ${number} said is not there as it was written`);
    return JSON.parse(text) as Content;
  }

  #store({ policies, servers, limits }: Content): string {
    const text = canonicalJson(JSON.stringify({ policies, servers, limits }));
    const digest = hash('sha256', text, 'base64url');
    const file = join(this.#contents, `${digest}.json`);
    if (!existsSync(file)) writeNew(file, text);
    return digest;
  }
}

const fileOf = (number: number): string => `${String(number).padStart(10, '0')}.json`;

function readVersions(directory: string): Version[] {
  // What a process that was killed has not finished has another name.
  const names = readdirSync(directory).filter((name) => /^\d{10}\.json$/.test(name));
  const all: Version[] = [];
  for (const name of names.sort()) {
    const file = join(directory, name);
    const before = all.at(-1);
    const read = parse(file);
    if (read.version !== (before?.version ?? 0) + 1 || name !== fileOf(read.version))
      throw new SafetyError(`${file}: version ${read.version} where ${(before?.version ?? 0) + 1} belongs`);
    if (read.previous !== (before?.digest ?? null))
      throw new SafetyError(`${file}: version ${read.version} does not follow the version before it`);
    all.push(read);
  }
  return all;
}

function parse(file: string): Version {
  try {
    return version.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new SafetyError(`${file} is not a version as it was written`, 'restore the state directory whole');
  }
}
