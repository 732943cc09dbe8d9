import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { declaredPaths, egressPaths, type Reachable, systemDirectories } from '../host/machine.ts';
import { etcFiles, fileArguments, type OwnFile } from '../host/own-files.ts';
import { bundle, rootfs } from './bundle.ts';

/** The first descriptor that bubblewrap is started with, beside the server's own three: those of `ownFiles`. */
const firstFile = 3;

/** runsc's configuration, and below the root that it serves the files of /etc. */
export function ownFiles(profile: SandboxProfile): OwnFile[] {
  const served = etcFiles(profile).map(({ to, content }) => ({ to: rootfs + to, content }));
  return [{ to: '/bundle/config.json', content: bundle(profile) }, ...served];
}

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
  files: readonly OwnFile[],
): string[] {
  const { wayOut } = profile;
  return [
    ...[bubblewrap, '--unshare-all', '--unshare-user', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'],
    ...['--hostname', 'sandbox', '--new-session', '--die-with-parent', '--clearenv'],
    ...['--proc', '/proc', '--dev-bind', '/dev/null', '/dev/null', '--tmpfs', '/run', '--tmpfs', '/tmp'],
    ...['--ro-bind', runsc, '/runsc', ...fileArguments(files, firstFile, '')],
    ...systemDirectories(rootfs),
    ...['proc', 'dev', 'tmp'].flatMap((name) => ['--dir', `${rootfs}/${name}`]),
    ...declaredPaths(rootfs, profile, from),
    ...(wayOut === undefined ? [] : egressPaths(rootfs, wayOut, from)),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...['/runsc', '--root=/run', '--rootless', '--ignore-cgroups', '--network=none', `--platform=${platform}`],
    // Sockets that its files show are of no use to the server, but for the one of its way out.
    ...['--oci-seccomp', ...(wayOut === undefined ? [] : ['--host-uds=open'])],
    ...['run', '--bundle=/bundle', 'server'],
  ];
}
