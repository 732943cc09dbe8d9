import { closeSync } from 'node:fs';
import type { Sandbox, SandboxDriver, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { launch } from '../host/gated-process.ts';
import { findProgram, type Machine, type MachineOptions, prepareMachine } from '../host/machine.ts';
import { OwnFiles } from '../host/own-files.ts';
import { probeSandbox } from '../host/probe.ts';
import { gvisorCommand, ownFiles, type Platform, type Programs, platforms } from './arguments.ts';
import { mends } from './mends.ts';

/**
 * What gVisor's own processes need on the host, beside what the server may use. The server's processes are counted by
 * gVisor's kernel (RLIMIT_NPROC); the group bounds the threads that stand for them on the host, whatever comes.
 */
const own = { memory: 64 * 1024 * 1024, pids: 1024 };
const patience = 20_000;

/**
 * Sandboxes whose system calls are answered by gVisor's kernel in user space (runsc), inside namespaces and groups as
 * bubblewrap's. Tested with runsc of 2022-12 and 2024-07.
 *
 * As `bubblewrap()`, it has to be called on the main thread, and as root in a private mount namespace.
 */
export function gvisor(options: MachineOptions): SandboxDriver {
  let host: Promise<Host> | undefined;
  let count = 0;
  const start = async (profile: SandboxProfile): Promise<Sandbox> => {
    host ??= prepare(options);
    return startOn(await host, profile, `gvisor-${++count}`);
  };
  return {
    probe: (): Promise<SandboxProbe> =>
      probeSandbox({ driver: 'gvisor', program: findRunsc, kernel: 'own', start, mends }),
    start,
  };
}

/** What is found and opened once for all sandboxes. */
interface Host {
  readonly machine: Machine;
  readonly programs: Programs;
  readonly platform: Platform;
  readonly files: OwnFiles;
}

async function prepare(options: MachineOptions): Promise<Host> {
  const base = {
    machine: prepareMachine(options),
    programs: { bubblewrap: findProgram('bwrap', 'bubblewrap'), runsc: findRunsc() },
    files: new OwnFiles(),
  };
  let why: unknown;
  for (const platform of platforms) {
    const host = { ...base, platform };
    try {
      const profile = { name: 'platform', command: ['/bin/true'], root: '/usr', mounts: [], memory: 1 << 26, pids: 16 };
      const { code } = await (await startOn(host, profile, `gvisor-${platform}`)).exited;
      if (code === 0) return host;
      why = new Error(`${platform}: the first program ended with ${code}`);
    } catch (error) {
      why = error;
    }
  }
  throw why;
}

async function startOn(host: Host, profile: SandboxProfile, id: string): Promise<Sandbox> {
  const { machine, programs, platform } = host;
  const files = ownFiles(profile);
  const command = gvisorCommand(programs, platform, profile, machine.reach(profile), files);
  const opened = host.files.open(files, profile);
  try {
    const group = machine.group(profile, own);
    const { uid } = machine;
    return launch({ id, driver: 'gvisor', command, uid, extra: opened, ready: 1, group, endsTogether: true, patience });
  } finally {
    // The process that was started has its own by now.
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function findRunsc(): string {
  return findProgram('runsc', 'gVisor (runsc)');
}
