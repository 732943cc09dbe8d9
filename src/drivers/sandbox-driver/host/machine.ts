import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { SandboxProfile, WayOut } from '../../../contract/sandbox-driver.ts';
import { controlGroups, type Group, type GroupLimits } from './control-groups.ts';
import { closeInherited } from './descriptors.ts';
import { checkTarget } from './mount-rules.ts';
import { type MountStage, ownPaths, privateStage } from './private-mounts.ts';
import { sourceChecks } from './source-checks.ts';
import { hostAuthorities, insidePaths } from './way-out.ts';

export interface MachineOptions {
  /** Host path of the pinned node binary; it becomes /opt/node/bin/node. */
  readonly node: string;
  /** Host paths that no mount may show: the state directory. */
  readonly forbidden: readonly string[];
}

/** The uid and gid that sandboxes run as when we are root, and that the server sees itself as in any case. */
const unprivileged = 65534;

/** What the relay of a way out, a perl, needs beside the server. */
export const relay = { memory: 8 * 1024 * 1024, pids: 1 };

/** Host paths that the sandbox's uid can reach. */
export interface Reachable {
  readonly node: string;
  readonly root: string;
  /** In the order of the profile's mounts. */
  readonly mounts: readonly string[];
  /** Of the way out, where there is one. */
  readonly socket: string | undefined;
}

/** What of this machine is found and opened once for all sandboxes of a driver. */
export interface Machine {
  /** The unprivileged identity that sandboxes are started with; undefined: our own. */
  readonly uid: number | undefined;
  /** Checks all that a profile wants to see of the host. @throws UnsafeMount for what no sandbox may */
  reach(profile: SandboxProfile): Reachable;
  /** A group with these limits, and room for the driver's `own` processes and a relay. @throws when one cannot be set */
  group(profile: GroupLimits & Pick<SandboxProfile, 'wayOut'>, own: GroupLimits): Group;
  /** A path of our own file or directory that the unprivileged identity can walk to. */
  show(path: string): string;
  readonly directory: MountStage['directory'];
}

/**
 * Has to be called on the main thread: sandboxes end with the thread that started them. As root, the process must
 * have a private mount namespace (`unshare --mount --propagation private`).
 */
export function prepareMachine(options: MachineOptions): Machine {
  if (!isMainThread) throw new Error('sandboxes must be started on the main thread: they end with the thread');
  const root = process.getuid?.() === 0;
  closeInherited();
  const groups = controlGroups();
  groups.sweep();
  const stage: MountStage = root ? privateStage() : ownPaths;
  const node = realpathSync(options.node);
  const checked = sourceChecks(options.forbidden);
  return {
    uid: root ? unprivileged : undefined,
    reach: (profile) => {
      for (const mount of profile.mounts) {
        checkTarget(mount);
        checked(mount.from);
      }
      return {
        node: stage.reach(node),
        root: stage.reach(realpathSync(profile.root)),
        mounts: profile.mounts.map((mount) => stage.reach(mount.from)),
        socket: profile.wayOut && reachSocket(stage, profile.wayOut.socket),
      };
    },
    group: (profile, own) => {
      checkLimits(profile);
      const { memory, pids } = profile.wayOut === undefined ? { memory: 0, pids: 0 } : relay;
      return groups.create({ memory: profile.memory + own.memory + memory, pids: profile.pids + own.pids + pids });
    },
    show: (path) => stage.reach(path),
    directory: (files, links) => stage.directory(files, links),
  };
}

/** By its directory, which all sockets share. */
function reachSocket(stage: MountStage, socket: string): string {
  return join(stage.reach(realpathSync(dirname(socket))), basename(socket));
}

/** To the kernel -1 and NaN are words for no limit, or errors. @throws RangeError */
export function checkLimits({ memory, pids }: GroupLimits): void {
  for (const [limit, value] of Object.entries({ memory, pids })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${limit} limit of a sandbox: ${value}`);
  }
}

/** @throws where it is absent */
export function findProgram(name: string, component: string): string {
  const found = ['/usr/bin', '/usr/local/bin'].map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${component} is not installed`);
  return found;
}

/** bubblewrap's arguments that make /usr, /bin, /lib and so on below `root` as the host has them. */
export function systemDirectories(root: string): string[] {
  const others = ['/bin', '/sbin', '/lib', '/lib64'].flatMap((path) => {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined) return [];
    return status.isSymbolicLink() ? ['--symlink', readlinkSync(path), root + path] : ['--ro-bind', path, root + path];
  });
  return ['--ro-bind', '/usr', `${root}/usr`, ...others];
}

/** bubblewrap's arguments that show node, the server and its mounts below `root`. */
export function declaredPaths(root: string, { mounts }: SandboxProfile, from: Reachable): string[] {
  return [
    ...['--ro-bind', from.node, `${root}/opt/node/bin/node`, '--ro-bind', from.root, `${root}/srv`],
    ...mounts.flatMap(({ to, mode }, index) => [
      mode === 'rw' ? '--bind' : '--ro-bind',
      from.mounts[index] ?? '',
      root + to,
    ]),
  ];
}

/** bubblewrap's arguments that show the way out below `root`; its list of authorities, if the sandbox has none of its own. */
export function egressPaths(root: string, { ca }: WayOut, { socket }: Reachable): string[] {
  const authorities = ca === undefined ? hostAuthorities() : undefined;
  return [
    ...['--ro-bind', socket ?? '', root + insidePaths.socket],
    ...(authorities === undefined ? [] : ['--ro-bind', authorities, root + insidePaths.authorities]),
  ];
}
