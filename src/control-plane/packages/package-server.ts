import pacote from 'pacote';
import { SafetyError } from '../config/problem.ts';
import { PACKAGE } from '../config/schema.ts';
import type { TrustedRoot } from './attestation.ts';
import { entryPoint, installScripts } from './entry-point.ts';
import { historyOf } from './history.ts';
import type { LockedServer } from './lock.ts';
import { lookalike } from './name-distance.ts';
import type { NpmSettings } from './npm-settings.ts';
import { checkProvenance, type Provenance } from './provenance.ts';
import type { Store } from './store.ts';
import { asked, installTree, resolveTree } from './tree.ts';

/** The lock's entry as far as files go; descriptors come when the server has been asked. */
export type LockedFiles = Omit<LockedServer, 'pins' | 'openLevels'>;

export interface Installed {
  readonly locked: LockedFiles;
  /** The store did not have it before. */
  readonly fresh: boolean;
  /** What the operator should know before saying yes; one line each. */
  readonly facts: readonly string[];
}

interface PackageDeps {
  readonly store: Store;
  readonly npm: NpmSettings;
  /** `linux-x64`, as `process.platform` and `process.arch` say. */
  readonly platform: string;
  /** Whom build attestations are to come from, in the end. */
  readonly trustedRoot: () => Promise<TrustedRoot>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Vets one exact version of a package and installs it with its whole tree into the store.
 * @param reviewed the lock's entries: a tree that is pinned there is installed as it is pinned
 * @throws SafetyError for look-alike names, wrong signatures, wrong integrities, and (unless accepted) for none at all
 */
export async function installPackage(
  source: string,
  args: readonly string[],
  reviewed: readonly LockedFiles[],
  acceptUnverified: boolean,
  { store, npm, platform, trustedRoot, now }: PackageDeps,
): Promise<Installed> {
  const [, name = '', version = ''] = PACKAGE.exec(source) ?? [];
  const near = lookalike(name);
  if (near !== undefined)
    throw new SafetyError(
      `${name} is refused: ${near.why}`,
      `did you mean ${near.meant}? (if not: unpack it, review it, and add the directory)`,
    );
  const before = reviewed.find((entry) => entry.source === source && entry.packages !== undefined);
  const { packages, platform: bound } =
    before?.packages === undefined
      ? await resolveTree(name, version, npm, platform)
      : { packages: before.packages, platform: before.platform };
  const own = `node_modules/${name}`;
  const integrity = packages[own]?.integrity;
  if (integrity === undefined) throw new SafetyError(`the tree of ${name}@${version} does not hold it`);
  const provenance = await checkProvenance(packages, own, npm, trustedRoot);
  if (provenance.verdict === 'unverified' && before?.integrity !== integrity && !acceptUnverified)
    throw new SafetyError(
      `${name}@${version} is unverified: ${provenance.why}`,
      'compare its integrity with a source you trust, then add it with --accept-unverified',
    );
  const { digest, fresh } = await store.add((directory) => installTree(packages, directory, npm), before?.digest);
  try {
    const root = store.path(digest);
    const scripts = await installScripts(root);
    const said: unknown = await asked(() => pacote.packument(name, { ...npm, fullMetadata: true }));
    const history = historyOf(
      said,
      version,
      scripts.some((one) => one.startsWith(`${name}@${version}: `)),
      now(),
    );
    const locked: LockedFiles = {
      source,
      integrity,
      provenance: provenance.verdict === 'verified' ? 'verified' : 'unverified, accepted by operator',
      ...(bound === undefined ? {} : { platform: bound }),
      digest,
      command: [...(await entryPoint(root, name)), ...args],
      args: [...args],
      ...(scripts.length === 0 ? {} : { scripts: [...scripts] }),
      ...(history.isSuspected && { history: [...history.reasons] }),
      packages,
    };
    const facts = [...history.facts, ...describe(provenance, scripts, Object.keys(packages).length)];
    return { locked, fresh, facts };
  } catch (error) {
    if (fresh) await store.remove(digest);
    throw error;
  }
}

function describe(provenance: Provenance, scripts: readonly string[], count: number): readonly string[] {
  const facts: string[] = [];
  facts.push(`packages: ${count}`);
  facts.push(
    provenance.verdict === 'verified'
      ? `provenance: verified (${provenance.signed} signatures${provenance.built === undefined ? '' : `, built by ${provenance.built}`})`
      : `provenance: UNVERIFIED: ${provenance.why}`,
  );
  facts.push(scripts.length === 0 ? 'install scripts: none' : `install scripts, not run: ${scripts.join(' · ')}`);
  return facts;
}
