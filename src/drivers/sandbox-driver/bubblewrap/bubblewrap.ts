import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { Sandbox, SandboxDriver, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { type ControlGroups, controlGroups } from '../host/control-groups.ts';
import { checkSource, checkTarget } from '../host/mount-rules.ts';
import { type MountStage, ownPaths, privateStage } from '../host/private-mounts.ts';
import { etc, gatedArguments, type HostLayout, hostLayout } from './arguments.ts';
import { probeSandbox } from './probe.ts';
import { launch } from './sandbox-process.ts';
import { seccompFilter } from './seccomp-filter.ts';

export interface BubblewrapOptions {
  /** Host path of the pinned node binary; it becomes /opt/node/bin/node. */
  readonly node: string;
  /** Host paths that no mount may show: the state directory. */
  readonly forbidden: readonly string[];
}

/** The uid and gid that bubblewrap runs as when we are root, and that the server sees itself as in any case. */
const unprivileged = 65534;
/** bubblewrap's two own processes in the group, beside the server's. */
const ownPids = 2;
const patience = 10_000;
/** Entries of a mount that can be looked through at each start for a millisecond or so. */
const smallSource = 500;
/** O_CLOEXEC, which node's own constants leave out. */
const closeOnExec = 0o2000000;

/**
 * Sandboxes out of namespaces, seccomp and cgroups, by bubblewrap (tested with 0.8).
 *
 * Has to be called on the main thread: sandboxes end with the thread that started them. As root, the process must
 * have a private mount namespace (`unshare --mount --propagation private`). Everything else that is missing shows
 * in `probe()`, and `start()` rejects.
 */
export function bubblewrap(options: BubblewrapOptions): SandboxDriver {
  let host: Host | undefined;
  let count = 0;
  const start = (profile: SandboxProfile): Promise<Sandbox> => {
    host ??= prepare(options);
    return startOn(host, profile, `bubblewrap-${++count}`);
  };
  return {
    probe: (): Promise<SandboxProbe> => probeSandbox(findBubblewrap, start),
    start: async (profile) => start(profile),
  };
}

/** What is found and opened once for all sandboxes. */
interface Host {
  readonly bubblewrap: string;
  readonly groups: ControlGroups;
  readonly stage: MountStage;
  readonly layout: HostLayout;
  /** Throws UnsafeMount for a mount's source that no sandbox may see. */
  checked(source: string): void;
  readonly node: string;
  readonly uid: number | undefined;
  /** Paths of files that every start opens anew, to read them from their beginning. */
  readonly seccomp: string;
  readonly passwd: string;
  readonly hosts: string;
}

function prepare(options: BubblewrapOptions): Host {
  if (!isMainThread)
    throw new Error('bubblewrap must be started on the main thread: its sandboxes end with the thread');
  const { arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`no seccomp filter for ${arch}`);
  const root = process.getuid?.() === 0;
  closeInherited();
  const groups = controlGroups();
  groups.sweep();
  const stage = root ? privateStage() : ownPaths;
  return {
    bubblewrap: findBubblewrap(),
    groups,
    stage,
    layout: hostLayout(),
    checked: sourceChecks(options.forbidden),
    node: realpathSync(options.node),
    uid: root ? unprivileged : undefined,
    seccomp: anonymousFile(seccompFilter(arch)),
    passwd: anonymousFile(etc.passwd),
    hosts: anonymousFile(etc.hosts),
  };
}

async function startOn(host: Host, profile: SandboxProfile, id: string): Promise<Sandbox> {
  for (const mount of profile.mounts) {
    checkTarget(mount);
    host.checked(mount.from);
  }
  const from = {
    node: host.stage.reach(host.node),
    root: host.stage.reach(realpathSync(profile.root)),
    mounts: profile.mounts.map((mount) => host.stage.reach(mount.from)),
  };
  const args = gatedArguments(host.bubblewrap, profile, from, host.layout);
  const opened: number[] = [];
  try {
    for (const file of [host.seccomp, host.passwd, host.hosts]) opened.push(openSync(file, 'r'));
    const [seccomp = -1, passwd = -1, hosts = -1] = opened;
    const group = host.groups.create({ memory: profile.memory, pids: profile.pids + ownPids });
    return launch({ id, args, uid: host.uid, seccomp, passwd, hosts, group, patience });
  } finally {
    // The process that was started has its own by now.
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** A small source is looked through at every start; a large one once, and again when another has taken its place. */
function sourceChecks(forbidden: readonly string[]): (source: string) => void {
  const large = new Map<string, string>();
  const canonical = forbidden.map((path) => (existsSync(path) ? realpathSync(path) : path));
  return (source) => {
    const status = lstatSync(source, { throwIfNoEntry: false });
    const identity = `${status?.dev}:${status?.ino}`;
    if (large.get(source) === identity && realpathSync(source) === source) return;
    if (checkSource(source, canonical) > smallSource) large.set(source, identity);
  };
}

/**
 * Whatever this process was born with beyond its standard streams would be handed on to every sandbox. Node opens its
 * own descriptors close-on-exec, and marks the low ones that it inherited; these are the others.
 */
function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor > 2 && (flagsOf(descriptor) & closeOnExec) === 0) closeSync(descriptor);
  }
}

/** Of open(2); of a descriptor that is closed by now: those of one that need not be. */
function flagsOf(descriptor: number): number {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
    return Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '0', 8);
  } catch {
    return closeOnExec;
  }
}

function findBubblewrap(): string {
  const found = ['/usr/bin/bwrap', '/usr/local/bin/bwrap'].find((path) => existsSync(path));
  if (found === undefined) throw new Error('bubblewrap is not installed');
  return found;
}

/** A file that no other process finds; opening the path that is returned reads it from the beginning each time. */
function anonymousFile(content: Uint8Array | string): string {
  const directory = mkdtempSync(join(tmpdir(), 'innerkeep-'));
  try {
    const file = join(directory, 'file');
    writeFileSync(file, content, { mode: 0o400 });
    return `/proc/self/fd/${openSync(file, 'r')}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
