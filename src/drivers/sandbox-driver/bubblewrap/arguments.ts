import { lstatSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { declaredPaths, type Reachable, systemDirectories } from '../host/machine.ts';

/** Descriptors that bubblewrap is started with, beside the server's own three. */
export const descriptors = { seccomp: 3, ready: 4, passwd: 5, hosts: 6 } as const;

/**
 * The server's first program. It lowers what is inherited by all that follows and reports on `ready` that the sandbox
 * is complete: by then everything in it is bound to the driver's life. Only when that is answered does it become the
 * server, with no descriptor left but the three.
 */
const innerGate =
  'ulimit -c 0; ulimit -n 4096; echo ready >&4; read -r go || exit 1; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@"';

/** What /proc shows of the host's kernel to everybody; what only root may read is closed by its mode. */
const kernelFiles = ['cmdline', 'config.gz', 'kallsyms', 'key-users', 'keys', 'modules', 'mtrr', 'sched_debug'];

/** What of `kernelFiles` this machine has, as paths in /proc. */
export function maskedPaths(): string[] {
  return kernelFiles
    .map((name) => `/proc/${name}`)
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
}

/** The argument vector of bubblewrap for one sandbox; bwrap(1). */
export function bubblewrapCommand(
  bubblewrap: string,
  profile: SandboxProfile,
  from: Reachable,
  masked: readonly string[],
): string[] {
  const scratch = Math.floor(profile.memory / 2);
  return [
    ...[bubblewrap, '--unshare-all', '--unshare-user', '--disable-userns', '--assert-userns-disabled'],
    ...['--uid', '65534', '--gid', '65534', '--hostname', 'sandbox', '--new-session', '--die-with-parent'],
    ...[
      '--cap-drop',
      'ALL',
      '--clearenv',
      '--setenv',
      'PATH',
      '/opt/node/bin:/usr/bin:/bin',
      '--setenv',
      'HOME',
      '/tmp',
    ],
    ...systemDirectories(''),
    ...['--file', String(descriptors.passwd), '/etc/passwd', '--file', String(descriptors.hosts), '/etc/hosts'],
    ...processes(masked),
    ...devices,
    ...['--size', String(scratch), '--tmpfs', '/tmp'],
    ...declaredPaths('', profile, from),
    ...['--remount-ro', '/', '--chdir', '/srv'],
    ...['--seccomp', String(descriptors.seccomp)],
    ...['--', '/bin/sh', '-c', innerGate, 'sh', ...profile.command],
  ];
}

/**
 * Process 1 is bubblewrap's own and has no seccomp filter, yet runs as the server's uid: over /proc/1/mem the server
 * would write its code into it. So process 1 cannot be seen.
 */
function processes(masked: readonly string[]): string[] {
  return [
    ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--tmpfs', '/proc/1', '--remount-ro', '/proc/1'],
    ...masked.flatMap((path) => ['--ro-bind', '/dev/null', path]),
  ];
}

/** No terminals, and shared memory counts as scratch. */
const devices = [
  ...['null', 'zero', 'full', 'random', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
  ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/proc/self/fd/0', '/dev/stdin'],
  ...['--symlink', '/proc/self/fd/1', '/dev/stdout', '--symlink', '/proc/self/fd/2', '/dev/stderr'],
  ...['--symlink', '/tmp', '/dev/shm'],
];
