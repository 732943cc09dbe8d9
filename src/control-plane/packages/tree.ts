import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Arborist from '@npmcli/arborist';
import { configError, SafetyError } from '../config/problem.ts';
import type { LockedPackage } from './lock.ts';
import type { NpmSettings } from './npm-settings.ts';
import { removal } from './removal.ts';
import { Unpacked, unpack } from './tarball.ts';

interface ResolvedTree {
  /** Path below the server's root → what lies there. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
  /** `linux-x64` when a package of the tree is for some platforms only. */
  readonly platform: string | undefined;
}

/**
 * The complete production tree of one exact package version, as npm would lay it out; nothing is installed.
 * @throws ConfigError when it does not exist, SafetyError for dependencies that no registry and no integrity vouches for
 */
export async function resolveTree(
  name: string,
  version: string,
  npm: NpmSettings,
  platform: string,
): Promise<ResolvedTree> {
  const empty = await mkdtemp(join(tmpdir(), 'innerkeep-resolve-'));
  const remove = removal(empty);
  try {
    const arborist = new Arborist({ ...npm, path: empty, installLinks: false, legacyPeerDeps: false });
    const ideal = await asked(() => arborist.buildIdealTree({ add: [`${name}@${version}`] }));
    const packages: Record<string, LockedPackage> = {};
    let bound = false;
    for (const node of [...ideal.inventory.values()].sort((a, b) => (a.location < b.location ? -1 : 1))) {
      // Bundled packages are inside the tarball of the one that bundles them.
      if (node.isRoot || node.dev || node.inBundle) continue;
      const title = `${node.packageName}@${node.version}`;
      if (!node.isRegistryDependency)
        throw new SafetyError(`${title} does not come from a registry (${edgeSpec(node)})`);
      if (!/^sha(512|384|256)-/.test(node.integrity ?? ''))
        throw new SafetyError(`the registry names no SHA-2 integrity for ${title}`);
      const fit = fits(node.package, platform);
      bound ||= fit !== undefined;
      if (fit === false && node.optional) continue;
      if (fit === false) throw new SafetyError(`${title} is not for ${platform}`);
      packages[node.location] = {
        ...(node.name === node.packageName ? {} : { name: node.packageName }),
        version: node.version,
        integrity: node.integrity ?? '',
      };
    }
    return { packages, platform: bound ? platform : undefined };
  } finally {
    remove();
  }
}

/**
 * Fetches and unpacks exactly these packages; each tarball must have its integrity, and be what it is taken for.
 * Links in tarballs are left out, scripts are never run.
 * @throws SafetyError on EINTEGRITY, and for more than a server may have
 */
export async function installTree(
  packages: Readonly<Record<string, LockedPackage>>,
  directory: string,
  npm: NpmSettings,
): Promise<void> {
  const fetched = await mkdtemp(join(tmpdir(), 'innerkeep-fetched-'));
  const remove = removal(fetched);
  const unpacked = new Unpacked();
  const install = async (path: string, { version, integrity, name = nameAt(path) }: LockedPackage, file: string) => {
    if (
      !/^(node_modules\/(@[^/]+\/)?[^/]+)(\/node_modules\/(@[^/]+\/)?[^/]+)*$/.test(path) ||
      path.split('/').includes('..')
    )
      throw new SafetyError(`the lock names a package outside of node_modules: ${path.slice(0, 200)}`);
    const target = join(directory, path);
    await asked(() => unpack(`${name}@${version}`, file, target, { ...npm, integrity }, unpacked));
    const own: unknown = JSON.parse(await readFile(join(target, 'package.json'), 'utf8'));
    const says = own as { readonly name?: unknown; readonly version?: unknown };
    if (says.name !== name || cleaned(says.version) !== version)
      throw new SafetyError(`the tarball of ${name}@${version} says that it is ${says.name}@${says.version}`);
  };
  try {
    await each([...Object.entries(packages)].entries(), 6, ([at, [path, item]]) =>
      install(path, item, join(fetched, `${at}.tgz`)),
    );
  } finally {
    remove();
  }
}

/** Runs `work` over all items, so many at a time; the first failure is thrown when none is under way any more. */
export async function each<T>(items: Iterable<T>, width: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed: unknown;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && failed === undefined; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failed !== undefined) throw failed;
}

/** What the registry's client throws, in our exit codes. */
export async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const message = error instanceof Error ? error.message.replace(/https?:\/\/\S+/g, 'the registry') : String(error);
    if (/^(EINTEGRITY|EATTESTATION|EMISSINGSIGNATUREKEY|EEXPIREDSIGNATUREKEY|EALLOW|EBADPLATFORM|Z_|TAR_)/.test(code))
      throw new SafetyError(`${code}: ${message}`);
    if (/^(E404|ETARGET|ENOVERSIONS|E403)$/.test(code))
      throw configError('npm', message.split('\n')[0] ?? '', 'check name and version');
    if (
      /^(ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET|ENOTCACHED|UND_ERR|E5\d\d|E401|SELF_SIGNED|UNABLE_TO|CERT_)/.test(
        code,
      )
    )
      throw configError(
        'npm',
        `the registry could not be asked (${code})`,
        "check npm's registry, proxy, CA and login",
      );
    // npm's client believes that a document of a package is one.
    if (error instanceof TypeError || error instanceof RangeError)
      throw new SafetyError(`the registry's answer is not of a package: ${message.slice(0, 200)}`);
    throw error;
  }
}

export function nameAt(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function cleaned(version: unknown): string {
  return String(version).replace(/^[v=\s]+|\s+$|\+.*$/g, '');
}

function edgeSpec(node: Arborist.Node): string {
  return [...node.edgesIn].map(({ spec }) => spec)[0]?.slice(0, 100) ?? 'no source';
}

/** undefined: for every platform. */
function fits(manifest: object, platform: string): boolean | undefined {
  const [os = '', cpu = ''] = platform.split('-');
  const lists = [
    ['os' in manifest ? manifest.os : undefined, os],
    ['cpu' in manifest ? manifest.cpu : undefined, cpu],
    ['libc' in manifest ? manifest.libc : undefined, platform.endsWith('-musl') ? 'musl' : 'glibc'],
  ] as const;
  const given = lists.filter(([list]) => list !== undefined && list !== null);
  if (given.length === 0) return undefined;
  return given.every(([list, own]) => {
    const names = (Array.isArray(list) ? list : [list]).map(String);
    const wanted = names.filter((name) => !name.startsWith('!'));
    return !names.includes(`!${own}`) && (wanted.length === 0 || wanted.includes(own) || wanted.includes('any'));
  });
}
