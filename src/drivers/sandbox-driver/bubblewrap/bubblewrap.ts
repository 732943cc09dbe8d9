import { closeSync, openSync } from 'node:fs';
import type { Sandbox, SandboxDriver, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { anonymousFile } from '../host/descriptors.ts';
import { launch } from '../host/gated-process.ts';
import { findProgram, type Machine, type MachineOptions, prepareMachine, systemDirectories } from '../host/machine.ts';
import { OwnFiles } from '../host/own-files.ts';
import { probeSandbox } from '../host/probe.ts';
import { seccompFilter } from '../host/seccomp-filter.ts';
import { bubblewrapCommand, devices, type Layout, maskedPaths, ownFiles } from './arguments.ts';
import { mends } from './mends.ts';

/** bubblewrap's two own processes in the group, beside the server's; what they need of memory is next to nothing. */
const own = { memory: 0, pids: 2 };
const patience = 10_000;

/**
 * Sandboxes out of namespaces, seccomp and cgroups, by bubblewrap (tested with 0.8).
 *
 * Has to be called on the main thread: sandboxes end with the thread that started them. As root, the process must
 * have a private mount namespace (`unshare --mount --propagation private`). Everything else that is missing shows
 * in `probe()`, and `start()` rejects.
 */
export function bubblewrap(options: MachineOptions): SandboxDriver {
  let host: Host | undefined;
  let count = 0;
  const start = (profile: SandboxProfile): Promise<Sandbox> => {
    host ??= prepare(options);
    return startOn(host, profile, `bubblewrap-${++count}`);
  };
  return {
    probe: (): Promise<SandboxProbe> =>
      probeSandbox({ driver: 'bubblewrap', program: findBubblewrap, kernel: 'shared', start, mends }),
    start: async (profile) => start(profile),
  };
}

/** What is found and opened once for all sandboxes. */
interface Host {
  readonly machine: Machine;
  readonly bubblewrap: string;
  readonly layout: Layout;
  /** Path of a file that every start opens anew, to read it from its beginning. */
  readonly seccomp: string;
  readonly files: OwnFiles;
}

function prepare(options: MachineOptions): Host {
  const { arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`no seccomp filter for ${arch}`);
  const machine = prepareMachine(options);
  return {
    machine,
    bubblewrap: findBubblewrap(),
    layout: { system: systemDirectories(''), masked: maskedPaths(), devices: devices(machine) },
    seccomp: anonymousFile(seccompFilter(arch)),
    files: new OwnFiles(),
  };
}

async function startOn(host: Host, profile: SandboxProfile, id: string): Promise<Sandbox> {
  const { machine } = host;
  const files = ownFiles(profile);
  const command = bubblewrapCommand(host.bubblewrap, profile, machine.reach(profile), host.layout, files);
  const opened: number[] = [];
  try {
    opened.push(openSync(host.seccomp, 'r'));
    opened.push(...host.files.open(files, profile));
    const group = machine.group(profile, own);
    return launch({ id, driver: 'bubblewrap', command, uid: machine.uid, extra: opened, ready: 1, group, patience });
  } finally {
    // The process that was started has its own by now.
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function findBubblewrap(): string {
  return findProgram('bwrap', 'bubblewrap');
}
