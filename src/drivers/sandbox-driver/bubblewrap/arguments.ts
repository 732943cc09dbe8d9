import { lstatSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { declaredPaths, egressPaths, type Machine, type Reachable } from '../host/machine.ts';
import { etcFiles, fileArguments, type OwnFile } from '../host/own-files.ts';
import { environment, relayCommand } from '../host/way-out.ts';

/** Descriptors that bubblewrap is started with, beside the server's own three; from `files` on those of `ownFiles`. */
export const descriptors = { seccomp: 3, files: 4 } as const;

/** At most five: the inner gate closes as many descriptors, and the one that the options come from. */
export function ownFiles(profile: SandboxProfile): OwnFile[] {
  const files = etcFiles(profile);
  if (profile.wayOut === undefined) return files;
  // The relay listens on ports such as 443. This is written while bubblewrap may still administer the new network.
  return [...files, { to: '/proc/sys/net/ipv4/ip_unprivileged_port_start', content: '0' }];
}

/**
 * The server's first program. It lowers what is inherited by all that follows and reports, as the first line of the
 * server's output, that the sandbox is complete: by then everything in it is bound to the driver's life. Only when that
 * is answered does it become the server, with no descriptor left but the three.
 */
export const innerGate =
  'ulimit -c 0; ulimit -n 4096; echo ready; read -r go || exit 1; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@"';

/** What /proc shows of the host's kernel to everybody; what only root may read is closed by its mode. */
const kernelFiles = ['cmdline', 'config.gz', 'kallsyms', 'key-users', 'keys', 'modules', 'mtrr', 'sched_debug'];

/** What of `kernelFiles` this machine has, as paths in /proc. */
export function maskedPaths(): string[] {
  return kernelFiles
    .map((name) => `/proc/${name}`)
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
}

/** What is alike in all sandboxes of this machine. */
export interface Layout {
  readonly system: readonly string[];
  readonly masked: readonly string[];
  readonly devices: readonly string[];
}

/** Namespaces of its own, one unprivileged user, no capability and nothing of our environment. */
export const unprivileged = [
  ...['--unshare-all', '--unshare-user', '--uid', '65534', '--gid', '65534', '--hostname', 'sandbox'],
  ...['--new-session', '--die-with-parent', '--cap-drop', 'ALL', '--clearenv'],
];

export const usualVariables = { PATH: '/opt/node/bin:/usr/bin:/bin', HOME: '/tmp' };

/** Bytes. */
export function scratchOf({ memory }: SandboxProfile): number {
  return Math.floor(memory / 2);
}

/** The argument vector of bubblewrap for one sandbox; bwrap(1). */
export function bubblewrapCommand(
  bubblewrap: string,
  profile: SandboxProfile,
  from: Reachable,
  layout: Layout,
  files: readonly OwnFile[],
): string[] {
  const { wayOut } = profile;
  return [
    ...[bubblewrap, '--disable-userns', '--assert-userns-disabled', ...unprivileged],
    ...variables({ ...usualVariables, ...(wayOut && environment(wayOut)) }),
    ...layout.system,
    ...['--proc', '/proc'],
    ...fileArguments(files, descriptors.files, ''),
    ...processes(layout.masked),
    ...(wayOut === undefined ? [] : egressPaths('', wayOut, from)),
    ...layout.devices,
    ...['--size', String(scratchOf(profile)), '--tmpfs', '/tmp'],
    ...declaredPaths('', profile, from),
    ...['--remount-ro', '/', '--chdir', '/srv'],
    ...['--seccomp', String(descriptors.seccomp)],
    ...['--', '/bin/sh', '-c', innerGate, 'sh', ...(wayOut ? relayCommand(wayOut) : []), ...profile.command],
  ];
}

/**
 * Process 1 is bubblewrap's own and has no seccomp filter, yet runs as the server's uid: over /proc/1/mem the server
 * would write its code into it. So process 1 cannot be seen.
 */
function processes(masked: readonly string[]): string[] {
  return [
    ...['--ro-bind', '/proc/sys', '/proc/sys', '--tmpfs', '/proc/1', '--remount-ro', '/proc/1'],
    ...masked.flatMap((path) => ['--ro-bind', '/dev/null', path]),
  ];
}

export function variables(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--setenv', key, value]);
}

/** No terminals, and shared memory counts as scratch. */
const deviceFiles = Object.fromEntries(
  ['null', 'zero', 'full', 'random', 'urandom'].map((name) => [name, `/dev/${name}`]),
);
const deviceLinks = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  shm: '/tmp',
};

/**
 * The arguments that make /dev. bubblewrap reads all mounts anew for each that it makes, so five are much dearer than one.
 */
export function devices({ directory }: Pick<Machine, 'directory'>): string[] {
  const ready = directory(deviceFiles, deviceLinks);
  if (ready !== undefined) return ['--dev-bind', ready, '/dev'];
  return [
    ...Object.values(deviceFiles).flatMap((path) => ['--dev-bind', path, path]),
    ...Object.entries(deviceLinks).flatMap(([name, to]) => ['--symlink', to, `/dev/${name}`]),
  ];
}
