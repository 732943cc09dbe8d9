import { lstatSync, readlinkSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';

/** Descriptors that bubblewrap is started with, beside the server's own three. */
export const descriptors = { seccomp: 3, info: 4, block: 5, ready: 6, passwd: 7, hosts: 8 } as const;

/** The only files of /etc: what resolves the sandbox's one user and its loopback. */
export const etc = {
  passwd: 'nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n',
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
} as const;

/**
 * The server's first program. It lowers what is inherited by all that follows, reports on `ready` that the sandbox is
 * complete, waits for a line on standard input (end of file: the driver has died, and nothing runs), and only then
 * becomes the server, with no descriptor left but the three.
 */
const gate =
  'ulimit -c 0; ulimit -n 4096; echo ready >&6; read -r go || exit 1; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@"';
export const gateLine = 'go\n';

/** /proc of the sandbox's own process namespace still shows the host's kernel in these. */
const kernelFiles = [
  'cmdline',
  'config.gz',
  'kallsyms',
  'kcore',
  'key-users',
  'keys',
  'kmsg',
  'modules',
  'mtrr',
  'sched_debug',
  'sysrq-trigger',
  'timer_list',
  'version',
  'swaps',
  'partitions',
  'diskstats',
  'iomem',
  'ioports',
  'vmallocinfo',
  'interrupts',
  'cgroups',
];

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

/** The argument vector of bubblewrap for one sandbox; bwrap(1). */
export function bubblewrapArguments(profile: SandboxProfile, from: Reachable, layout: HostLayout): string[] {
  const scratch = Math.floor(profile.memory / 2);
  return [
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
    ...['--info-fd', String(descriptors.info), '--block-fd', String(descriptors.block)],
    ...['--', '/bin/sh', '-c', gate, 'sh', ...profile.command],
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
