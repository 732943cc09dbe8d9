import { type Dirent, lstatSync, opendirSync, realpathSync } from 'node:fs';
import { basename, join, normalize, sep } from 'node:path';
import type { Mount } from '../../../contract/bundle.ts';
import { mountPoints } from './private-mounts.ts';

/** Where container runtimes listen: whoever reaches one owns the host. */
const runtimeSockets = [
  '/run/docker.sock',
  '/run/containerd/containerd.sock',
  '/run/podman/podman.sock',
  '/run/crio/crio.sock',
];
const runtimeSocketNames = new Set(runtimeSockets.map((path) => basename(path)));

/** Places that the profile fills itself. */
const reserved = [
  '/proc',
  '/sys',
  '/dev',
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/etc',
  '/opt/node',
  '/srv',
  '/run',
];

/** File systems that show the kernel or other processes. */
const kernelTypes = new Set([
  'proc',
  'sysfs',
  'cgroup',
  'cgroup2',
  'devtmpfs',
  'devpts',
  'debugfs',
  'tracefs',
  'securityfs',
  'configfs',
  'bpf',
  'mqueue',
  'pstore',
  'efivarfs',
  'binfmt_misc',
  'fusectl',
  'nsfs',
  'hugetlbfs',
  'rpc_pipefs',
  'nfsd',
]);

/** A source has at most this many entries that are looked at for sockets and devices. */
const mostEntries = 200_000;

/** A part of the profile that must not be; `mend` is what the operator types or changes. */
export class UnsafeMount extends Error {
  readonly mend: string;
  constructor(problem: string, mend: string) {
    super(`${problem}; ${mend}`);
    this.name = 'UnsafeMount';
    this.mend = mend;
  }
}

/**
 * Refuses a source that is, contains, or leads to what no sandbox may have: a container runtime's socket (any socket:
 * connecting needs no write access to the mount), a device, the kernel's file systems, or innerkeep's own state.
 *
 * @param refused canonical host paths (the state directory) that a mount may neither contain nor lie in
 * @returns how many entries were looked at
 * @throws UnsafeMount
 */
export function checkSource(from: string, refused: readonly string[]): number {
  const canonical = realpathOf(from);
  if (canonical !== from) {
    throw new UnsafeMount(`mount source ${from} leads over a symbolic link`, `write ${canonical} instead`);
  }
  const kernel = mountPoints().find(
    ({ point, type }) => kernelTypes.has(type) && (within(point, from) || within(from, point)) && point !== '/',
  );
  if (kernel !== undefined) throw unsafe(from, `${kernel.point} (${kernel.type})`);
  for (const socket of runtimeSockets) {
    if (within(socket, from) || within(join('/var', socket), from)) throw unsafe(from, `the runtime socket ${socket}`);
  }
  for (const path of refused) {
    if (within(path, from) || within(from, path)) throw unsafe(from, `innerkeep's own state in ${path}`);
  }
  return refuseSpecialFiles(from);
}

/** Refuses a place in the sandbox that the profile fills itself. @throws UnsafeMount */
export function checkTarget({ to }: Mount): void {
  const wrong = (why: string) => new UnsafeMount(`mount target ${to} ${why}`, 'choose another path, such as /data');
  if (!to.startsWith('/') || normalize(to) !== to || to.includes('\0'))
    throw wrong('is not an absolute canonical path');
  if (to === '/' || to.endsWith('/')) throw wrong('is not a directory or file below /');
  const taken = reserved.find((path) => within(to, path) || within(path, to));
  if (taken !== undefined) throw wrong(`would cover ${taken}`);
  if (to === '/tmp') throw wrong('would cover the scratch space');
}

function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

function unsafe(from: string, what: string): UnsafeMount {
  return new UnsafeMount(`mount source ${from} would show ${what} to the sandbox`, 'mount a narrower directory');
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new UnsafeMount(`mount source ${path}: ${(error as Error).message}`, `create it, or take the mount out`);
  }
}

function refuseSpecialFiles(root: string): number {
  const status = lstatSync(root);
  if (!status.isDirectory()) {
    if (!status.isFile()) throw unsafe(root, 'a device, pipe or socket');
    return 1;
  }
  let entries = 0;
  const directories = [root];
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of entriesOf(directory)) {
      const path = join(directory, entry.name);
      if (++entries > mostEntries) throw unsafe(root, `more than ${mostEntries} files, too many to check`);
      if (entry.isSocket() || runtimeSocketNames.has(entry.name)) throw unsafe(root, `the socket ${path}`);
      if (entry.isBlockDevice() || entry.isCharacterDevice()) throw unsafe(root, `the device ${path}`);
      if (entry.isDirectory()) directories.push(path);
    }
  }
  return entries;
}

/** A directory that we cannot list, the sandbox's uid cannot list either. */
function* entriesOf(directory: string): Generator<Dirent> {
  let handle: ReturnType<typeof opendirSync>;
  try {
    handle = opendirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return;
    throw error;
  }
  try {
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) yield entry;
  } finally {
    handle.closeSync();
  }
}
