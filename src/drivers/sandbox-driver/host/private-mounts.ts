import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Gives each source of a mount a path that the sandbox's uid can walk to. */
export interface MountStage {
  /** `source` is canonical and was checked; the same source gets the same path as long as it is the same file. */
  reach(source: string): string;
  /**
   * A read-only directory of these files (name → source) and symbolic links (name → target), so that a sandbox takes one
   * mount for them all; undefined where none can be made.
   */
  directory(files: NamedPaths, links: NamedPaths): string | undefined;
}

type NamedPaths = Readonly<Record<string, string>>;

/** An ordinary user's bubblewrap runs as that user and walks the same paths. */
export const ownPaths: MountStage = { reach: (source) => source, directory: () => undefined };

const stageRoot = '/run/innerkeep';

/**
 * For root, whose bubblewrap runs as an unprivileged uid: that uid cannot walk through directories such as /root, so
 * each source is bound below a directory that it can, in a mount namespace that nobody else sees.
 *
 * Throws unless this process was started in a mount namespace of its own (mount_namespaces(7)).
 */
export function privateStage(): MountStage {
  refuseSharedNamespace();
  mkdirSync(stageRoot, { recursive: true });
  if (!mountPoints().some(({ point }) => point === stageRoot)) {
    mount('-t', 'tmpfs', '-o', 'mode=711,size=1m,nosuid,nodev,noexec', 'innerkeep', stageRoot);
  }
  const directory = mkdtempSync(join(stageRoot, 'stage-'));
  execFileSync('/bin/chmod', ['711', directory]);
  const staged = new Map<string, string>();
  let count = 0;
  return {
    directory: (files, links) => {
      const target = join(directory, String(++count));
      mkdirSync(target, { mode: 0o755 });
      for (const [name, to] of Object.entries(links)) symlinkSync(to, join(target, name));
      for (const name of Object.keys(files)) writeFileSync(join(target, name), '');
      mount('--bind', target, target);
      for (const [name, source] of Object.entries(files)) mount('--bind', source, join(target, name));
      mount('-o', 'remount,bind,ro', target);
      return target;
    },
    reach: (source) => {
      const known = staged.get(source);
      if (known !== undefined && sameFile(source, known)) return known;
      const target = join(directory, String(++count));
      if (statSync(source).isDirectory()) mkdirSync(target);
      else writeFileSync(target, '');
      mount('--rbind', source, target);
      if (!sameFile(source, target)) throw new Error(`${source} was exchanged while it was being mounted`);
      staged.set(source, target);
      return target;
    },
  };
}

function refuseSharedNamespace(): void {
  const own = readlinkSync('/proc/self/ns/mnt');
  for (const other of new Set([1, process.ppid])) {
    if (namespaceOf(other) === own) {
      throw new Error(
        `the runtime shares its mount namespace with process ${other}; as root it must be started by: ` +
          'unshare --mount --propagation private',
      );
    }
  }
  const shared = mountPoints().find(({ propagation }) => propagation.some((tag) => tag.startsWith('shared:')));
  if (shared !== undefined) {
    throw new Error(
      `mounts propagate out of the runtime's mount namespace at ${shared.point}; use --propagation private`,
    );
  }
}

/** Undefined where it cannot be read: a process that is gone, or another user's. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function sameFile(a: string, b: string): boolean {
  const [left, right] = [lstatSync(a), lstatSync(b)];
  return left.dev === right.dev && left.ino === right.ino;
}

function mount(...args: string[]): void {
  execFileSync('/bin/mount', args, { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
}

export interface MountPoint {
  readonly point: string;
  readonly type: string;
  readonly propagation: readonly string[];
}

/** The mounts that this process sees (proc_pid_mountinfo(5)). */
export function mountPoints(): MountPoint[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const fields = before.split(' ');
      const point = (fields[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      return { point, type: after.split(' ')[0] ?? '', propagation: fields.slice(6) };
    });
}
