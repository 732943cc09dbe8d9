import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { declaredPaths, type Reachable, systemDirectories } from '../host/machine.ts';
import { rootfs } from './bundle.ts';

/** Descriptors that bubblewrap is started with, beside the server's own three. */
const descriptors = { config: 3, passwd: 4, hosts: 5 } as const;

/** How gVisor catches system calls, the better one first. */
export const platforms = ['systrap', 'ptrace'] as const;
export type Platform = (typeof platforms)[number];

export interface Programs {
  readonly bubblewrap: string;
  readonly runsc: string;
}

/**
 * The argument vector of one sandbox: bubblewrap makes namespaces with nothing in them but runsc, its state in memory,
 * and the root that it is to serve; runsc, which is root there and nobody on the host, runs the server on a kernel of
 * its own. Whoever breaks out of that one stands in bubblewrap's. The process namespace ends with us, and takes all of
 * gVisor's processes, mounts and state with it.
 */
export function gvisorCommand(
  { bubblewrap, runsc }: Programs,
  platform: Platform,
  profile: SandboxProfile,
  from: Reachable,
): string[] {
  return [
    ...[bubblewrap, '--unshare-all', '--unshare-user', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'],
    ...['--hostname', 'sandbox', '--new-session', '--die-with-parent', '--clearenv'],
    ...['--proc', '/proc', '--dev-bind', '/dev/null', '/dev/null', '--tmpfs', '/run', '--tmpfs', '/tmp'],
    ...['--ro-bind', runsc, '/runsc', '--file', String(descriptors.config), '/bundle/config.json'],
    ...systemDirectories(rootfs),
    ...['--file', String(descriptors.passwd), `${rootfs}/etc/passwd`],
    ...['--file', String(descriptors.hosts), `${rootfs}/etc/hosts`],
    ...['proc', 'dev', 'tmp'].flatMap((name) => ['--dir', `${rootfs}/${name}`]),
    ...declaredPaths(rootfs, profile, from),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...['/runsc', '--root=/run', '--rootless', '--ignore-cgroups', '--network=none', `--platform=${platform}`],
    ...['--oci-seccomp'],
    ...['run', '--bundle=/bundle', 'server'],
  ];
}
