import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { relay } from '../host/machine.ts';
import { environment, relayCommand } from '../host/way-out.ts';

/** Where bubblewrap puts the root that gVisor serves. */
export const rootfs = '/rootfs';

/**
 * The server's first program, on gVisor's kernel. There is one user, who owns what the host's unprivileged user owns,
 * and calls himself what he is called in every sandbox; with a name that is not root's the next program has no
 * capability left (capabilities(7)). It says `ready`, and only when that is answered becomes the server.
 */
const innerGate = [
  ...['/usr/bin/unshare', '--user', '--map-user=65534', '--map-group=65534', '--'],
  ...['/bin/sh', '-c', 'echo ready; read -r go || exit 1; exec "$@"', 'sh'],
];

const limit = (type: string, value: number) => ({ type: `RLIMIT_${type}`, hard: value, soft: value });

/**
 * Of a writable mount, a file that sets its user or group would lend ours to everybody on the host (inode(7)). gVisor's
 * kernel itself opens no new file with such a mode; these are the calls that are left.
 */
const noIdentity = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
  syscalls: [0o4000, 0o2000].flatMap((bit) =>
    Object.entries({ chmod: 1, fchmod: 1, fchmodat: 2, mknod: 1, mknodat: 2 }).map(([name, index]) => ({
      names: [name],
      action: 'SCMP_ACT_ERRNO',
      args: [{ index, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
  ),
};

/** The configuration of one container by the OCI's runtime specification, 1.0.2. */
export function bundle(profile: SandboxProfile): string {
  const none: string[] = [];
  const { wayOut } = profile;
  const variables = { PATH: '/opt/node/bin:/usr/bin:/bin', HOME: '/tmp', ...(wayOut && environment(wayOut)) };
  const pids = profile.pids + (wayOut === undefined ? 0 : relay.pids);
  return JSON.stringify({
    ociVersion: '1.0.2',
    hostname: 'sandbox',
    process: {
      user: { uid: 0, gid: 0 },
      args: [...innerGate, ...(wayOut === undefined ? [] : relayCommand(wayOut)), ...profile.command],
      env: Object.entries(variables).map(([key, value]) => `${key}=${value}`),
      cwd: '/srv',
      capabilities: { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none },
      rlimits: [limit('CORE', 0), limit('NOFILE', 4096), limit('NPROC', pids)],
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      tmpfs('/tmp', Math.floor(profile.memory / 2)),
      // What changes on the host while the sandbox runs is seen in a mount, and not in the root, which is cached.
      ...profile.mounts.map(({ to, mode }) => ({
        destination: to,
        type: 'bind',
        source: rootfs + to,
        options: ['rbind', mode, 'nosuid', 'nodev'],
      })),
    ],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })), seccomp: noIdentity },
  });
}

function tmpfs(destination: string, size: number) {
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', `size=${size}`] };
}
