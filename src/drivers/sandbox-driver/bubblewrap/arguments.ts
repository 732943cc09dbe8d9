import { lstatSync, readlinkSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';

/** Descriptors that bubblewrap is started with, beside the server's own three. */
export const descriptors = { seccomp: 3, ready: 4, passwd: 5, hosts: 6 } as const;

/** The only files of /etc: what resolves the sandbox's one user and its loopback. */
export const etc = {
  passwd: 'nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n',
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
} as const;

/** A line on standard input opens a gate; end of file means that the driver has died, and then nothing more runs. */
export const gateLine = 'go\n';

/** In front of bubblewrap: waits until the driver has put this process, and so all that come from it, into its group. */
const outerGate = 'read -r go || exit 1; exec "$@"';

/**
 * The server's first program. It lowers what is inherited by all that follows and reports on `ready` that the sandbox
 * is complete: by then everything in it is bound to the driver's life. Only when that is answered does it become the
 * server, with no descriptor left but the three.
 */
const innerGate =
  'ulimit -c 0; ulimit -n 4096; echo ready >&4; read -r go || exit 1; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@"';

/** What /proc shows of the host's kernel to everybody; what only root may read is closed by its mode. */
const kernelFiles = ['cmdline', 'config.gz', 'kallsyms', 'key-users', 'keys', 'modules', 'mtrr', 'sched_debug'];

/** Host paths that the sandbox's uid can reach. */
export interface Reachable {
  readonly node: string;
  readonly root: string;
  /** In the order of the profile's mounts. */
  readonly mounts: readonly string[];
}

/** What is the same for every sandbox on this machine. */
export interface HostLayout {
  /** `--symlink` or `--ro-bind` for /bin, /lib and so on, as the host has them. */
  readonly system: readonly string[];
  readonly maskedProc: readonly string[];
}

export function hostLayout(): HostLayout {
  const system = ['/bin', '/sbin', '/lib', '/lib64'].flatMap((path) => {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined) return [];
    return status.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
  });
  const maskedProc = kernelFiles
    .map((name) => `/proc/${name}`)
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  return { system, maskedProc };
}

/** The arguments of /bin/sh that become bubblewrap for one sandbox; bwrap(1). */
export function gatedArguments(
  bubblewrap: string,
  profile: SandboxProfile,
  from: Reachable,
  layout: HostLayout,
): string[] {
  const scratch = Math.floor(profile.memory / 2);
  return [
    ...['-c', outerGate, 'sh', bubblewrap],
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--assert-userns-disabled'],
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
    ...['--ro-bind', '/usr', '/usr', ...layout.system],
    ...['--file', String(descriptors.passwd), '/etc/passwd', '--file', String(descriptors.hosts), '/etc/hosts'],
    ...processes(layout),
    ...devices,
    ...['--size', String(scratch), '--tmpfs', '/tmp'],
    ...['--ro-bind', from.node, '/opt/node/bin/node', '--ro-bind', from.root, '/srv'],
    ...profile.mounts.flatMap(({ to, mode }, index) => [
      mode === 'rw' ? '--bind' : '--ro-bind',
      from.mounts[index] ?? '',
      to,
    ]),
    ...['--remount-ro', '/', '--chdir', '/srv'],
    ...['--seccomp', String(descriptors.seccomp)],
    ...['--', '/bin/sh', '-c', innerGate, 'sh', ...profile.command],
  ];
}

/**
 * Process 1 is bubblewrap's own and has no seccomp filter, yet runs as the server's uid: over /proc/1/mem the server
 * would write its code into it. So process 1 cannot be seen.
 */
function processes({ maskedProc }: HostLayout): string[] {
  return [
    ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--tmpfs', '/proc/1', '--remount-ro', '/proc/1'],
    ...maskedProc.flatMap((path) => ['--ro-bind', '/dev/null', path]),
  ];
}

/** No terminals, and shared memory counts as scratch. */
const devices = [
  ...['null', 'zero', 'full', 'random', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
  ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/proc/self/fd/0', '/dev/stdin'],
  ...['--symlink', '/proc/self/fd/1', '/dev/stdout', '--symlink', '/proc/self/fd/2', '/dev/stderr'],
  ...['--symlink', '/tmp', '/dev/shm'],
];
