import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { within } from '../config/paths.ts';
import { SafetyError } from '../config/problem.ts';
import { removal } from './removal.ts';

/** Files of one server, and their bytes. */
export const MAX_FILES = 100_000;
export const MAX_BYTES = 2 * 1024 ** 3;
const CHUNK = 8 * 1024 * 1024;

/**
 * The content-addressed store of server files, `<state>/store/sha256-HEX/`: the directory's name is the digest of all
 * that is in it, so that what runs is what was reviewed.
 */
export class Store {
  readonly directory: string;

  /** @param state absolute path of the state directory */
  constructor(state: string) {
    this.directory = join(state, 'store');
  }

  path(digest: string): string {
    if (!/^sha256-[0-9a-f]{64}$/.test(digest)) throw new SafetyError(`not a digest: ${digest.slice(0, 80)}`);
    return join(this.directory, digest);
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  /**
   * Lets `build` fill a new directory, makes it readable by the sandbox's uid, and moves it to the place that its
   * content names. Nothing of a build that fails stays.
   * @param expected refuse any other content
   * @throws SafetyError for links that leave the tree, setuid bits, devices and sizes out of bounds
   */
  async add(
    build: (directory: string) => Promise<void>,
    expected?: string,
  ): Promise<{ readonly digest: string; readonly fresh: boolean }> {
    await mkdir(this.directory, { recursive: true, mode: 0o755 });
    await chmod(this.directory, 0o755);
    this.#sweep();
    const building = await mkdtemp(join(this.directory, `.building-${process.pid}-`));
    const remove = removal(building);
    try {
      await build(building);
      await settle(building);
      const digest = treeDigest(building);
      if (expected !== undefined && digest !== expected)
        throw new SafetyError(
          `the installed files are ${digest}, the lock pins ${expected}`,
          'review the change and run `innerkeep add` again',
        );
      if (this.has(digest)) {
        this.verify(digest);
        return { digest, fresh: false };
      }
      try {
        await rename(building, this.path(digest));
      } catch (error) {
        // Somebody else was faster with the same content.
        if (!this.has(digest)) throw error;
        this.verify(digest);
        return { digest, fresh: false };
      }
      return { digest, fresh: true };
    } finally {
      remove();
    }
  }

  /**
   * Reads every byte of an entry again.
   * @throws SafetyError when anything in it differs from what its name says
   */
  verify(digest: string): void {
    const path = this.path(digest);
    const found = treeDigest(path);
    if (found === digest) return;
    throw new SafetyError(
      `the server files in ${path} were changed: they are ${found} now`,
      'find out who writes there, then remove that directory: it is installed again from the lock',
    );
  }

  /** Takes away what builders left that were killed. */
  #sweep(): void {
    for (const name of readdirSync(this.directory)) {
      const pid = Number(/^\.building-(\d+)-/.exec(name)?.[1]);
      if (pid > 0 && pid !== process.pid && !alive(pid))
        rmSync(join(this.directory, name), { recursive: true, force: true });
    }
  }

  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { recursive: true, force: true });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * SHA-256 over all entries in byte order of their relative paths: kind (file, executable, link, directory), path,
 * and content. Owners, times and the other permission bits are not part of it.
 */
function treeDigest(root: string): string {
  const hash = createHash('sha256');
  for (const { path, kind, target, size } of entries(root)) {
    const content = kind === 'f' || kind === 'x' ? fileDigest(join(root, path), size) : target;
    hash.update(JSON.stringify([kind, path, content])).update('\n');
  }
  return `sha256-${hash.digest('hex')}`;
}

/** Permissions that the sandbox's uid can read and nobody but us can write; links into `.bin` are dropped. */
async function settle(root: string): Promise<void> {
  await dropBins(root);
  await chmod(root, 0o755);
  let bytes = 0;
  for (const { path, kind, target, mode, size } of entries(root)) {
    if (kind === 'l') {
      if (target.startsWith('/') || !within(resolve(root, dirname(path), target), root) || !leadsInside(root, path))
        throw new SafetyError(
          `${path} is a link that leaves the tree (${target})`,
          'replace the link by what it points to',
        );
      continue;
    }
    if ((mode & 0o6000) !== 0 && kind !== 'd')
      throw new SafetyError(`${path} has a setuid or setgid bit`, 'remove the bit');
    bytes += size;
    if (bytes > MAX_BYTES) throw new SafetyError(`more than ${MAX_BYTES} bytes of server files`);
    await chmod(join(root, path), kind === 'f' ? 0o644 : 0o755);
  }
}

/** Links over links can leave although the words of each stay inside. */
function leadsInside(root: string, path: string): boolean {
  try {
    return within(realpathSync(join(root, path)), realpathSync(root));
  } catch {
    return false;
  }
}

async function dropBins(root: string): Promise<void> {
  for (const { path, kind } of entries(root))
    if (kind === 'd' && /(^|\/)node_modules\/\.bin$/.test(path))
      await rm(join(root, path), { recursive: true, force: true });
}

interface Entry {
  readonly path: string;
  readonly kind: 'd' | 'f' | 'x' | 'l';
  /** Of a link; else empty. */
  readonly target: string;
  readonly mode: number;
  readonly size: number;
}

function entries(root: string): readonly Entry[] {
  const found: Entry[] = [];
  const pending = [root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const name of readdirSync(directory)) {
      const full = join(directory, name);
      const stats = lstatSync(full);
      const path = relative(root, full);
      const base = { path, target: '', mode: stats.mode, size: stats.size };
      if (stats.isDirectory()) {
        found.push({ ...base, kind: 'd' });
        pending.push(full);
      } else if (stats.isFile()) found.push({ ...base, kind: (stats.mode & 0o100) !== 0 ? 'x' : 'f' });
      else if (stats.isSymbolicLink()) found.push({ ...base, kind: 'l', target: readlinkSync(full), mode: 0 });
      else throw new SafetyError(`${path} is neither file, directory nor link`, 'remove it');
      if (found.length > MAX_FILES) throw new SafetyError(`more than ${MAX_FILES} server files`);
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function fileDigest(file: string, size: number): string {
  // Thousands of small files: reading them one after the other without the event loop is several times faster.
  if (size <= CHUNK) return createHash('sha256').update(readFileSync(file)).digest('hex');
  const hash = createHash('sha256');
  const handle = openSync(file, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK);
    for (let read = readSync(handle, chunk); read > 0; read = readSync(handle, chunk))
      hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(handle);
  }
  return hash.digest('hex');
}
