import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Sandbox, SandboxDriver, SandboxProfile } from '../../../../contract/sandbox-driver.ts';
import { anonymousFile } from '../../host/descriptors.ts';
import { launch } from '../../host/gated-process.ts';
import { findProgram, type Machine, type MachineOptions, prepareMachine } from '../../host/machine.ts';
import { OwnFiles } from '../../host/own-files.ts';
import { probeSandbox } from '../../host/probe.ts';
import { sandboxMakerFilter, seccompFilter } from '../../host/seccomp-filter.ts';
import { devices, maskedPaths } from '../arguments.ts';
import { mends } from '../mends.ts';
import { nurseryCommand, nurseryFiles, pythonFile } from './arguments.ts';
import { type Doors, openDoors, socketName } from './doors.ts';
import { Nursery } from './nursery.ts';

const driver = 'bubblewrap-fork';
/** In a child's group the first process of its namespace; around a nursery bubblewrap's two, and children that are not in theirs yet. */
const childOwn = { memory: 0, pids: 1 };
const nurseryOwn = { memory: 0, pids: 64 };
/** Milliseconds until a nursery that is not complete is given up, and for its imports. */
const patience = 10_000;
const importing = 60_000;

interface Host {
  readonly machine: Machine;
  readonly bubblewrap: string;
  readonly masked: readonly string[];
  readonly devices: readonly string[];
  readonly outerFilter: string;
  readonly filter: string;
  readonly files: OwnFiles;
  readonly doors: Doors;
}

/**
 * Sandboxes for python servers, forked from a parent that has done the server's imports: it stands in bubblewrap's outer
 * sandbox, one a server, and each child makes an inner one for itself. Commands that are no python file get a parent of
 * their own, which ends with them. What is weaker than a fresh process is in docs/sandboxes.md.
 *
 * Has to be called as `bubblewrap` has to be.
 */
export function forkServer(options: MachineOptions): SandboxDriver {
  let host: Promise<Host> | undefined;
  let count = 0;
  const nurseries = new Map<string, Promise<Nursery>>();

  const shared = (on: Host, profile: SandboxProfile, file: string): Promise<Nursery> => {
    const key = JSON.stringify([file, profile.root, profile.mounts, profile.memory, profile.pids]);
    const known = nurseries.get(key);
    if (known !== undefined) return known;
    const opening = openNursery(on, profile, file, `${driver}-parent-${++count}`);
    nurseries.set(key, opening);
    const forget = () => nurseries.delete(key);
    opening.then((nursery) => nursery.exited.then(forget), forget);
    return opening;
  };

  const start = async (profile: SandboxProfile): Promise<Sandbox> => {
    if (profile.wayOut !== undefined) throw new Error(`${driver}: a fork-server's sandboxes have no way out`);
    host ??= prepare(options);
    const on = await host;
    const id = `${driver}-${++count}`;
    const file = pythonFile(profile.command);
    // Also for a child: what it is to see is judged at each start.
    on.machine.reach(profile);
    if (file !== undefined) {
      const bear = (nursery: Nursery) => nursery.child(id, profile, on.machine.group(profile, childOwn));
      const nursery = await shared(on, profile, file);
      return bear(nursery).catch(async (error: unknown) => {
        if (!nursery.ended) throw error;
        return bear(await shared(on, profile, file));
      });
    }
    const nursery = await openNursery(on, profile, null, id);
    return single(nursery, () => nursery.child(id, profile, on.machine.group(profile, childOwn)));
  };
  return {
    probe: () =>
      probeSandbox({ driver, program: () => findProgram('bwrap', 'bubblewrap'), kernel: 'shared', start, mends }),
    start,
  };
}

/** A nursery with one child, which is gone before that counts as gone. */
async function single(nursery: Nursery, bear: () => Promise<Sandbox>): Promise<Sandbox> {
  try {
    const child = await bear();
    const exited = child.exited.then(async (exit) => {
      await nursery.end();
      return exit;
    });
    const { id, stdin, stdout } = child;
    const kill = () => {
      void child.kill();
      return exited;
    };
    return { id, stdin, stdout, exited, stderrTail: () => child.stderrTail(), kill };
  } catch (error) {
    await nursery.end();
    throw error;
  }
}

async function prepare(options: MachineOptions): Promise<Host> {
  const { arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`no seccomp filter for ${arch}`);
  findProgram('python3', 'python3');
  const machine = prepareMachine(options);
  return {
    machine,
    bubblewrap: findProgram('bwrap', 'bubblewrap'),
    masked: maskedPaths(),
    devices: devices(machine),
    outerFilter: anonymousFile(sandboxMakerFilter(arch)),
    filter: Buffer.from(seccompFilter(arch)).toString('base64'),
    files: new OwnFiles(),
    doors: await openDoors(machine.uid),
  };
}

async function openNursery(host: Host, profile: SandboxProfile, file: string | null, id: string): Promise<Nursery> {
  const { machine, doors } = host;
  const files = nurseryFiles(profile);
  const socket = join(machine.show(doors.directory), socketName);
  const command = nurseryCommand(host.bubblewrap, profile, machine.reach(profile), socket, host.devices, files);
  const opened: number[] = [];
  const group = machine.group(profile, nurseryOwn);
  try {
    opened.push(openSync(host.outerFilter, 'r'));
    opened.push(...host.files.open(files, profile));
    const launching = launch({ id, driver, command, uid: machine.uid, extra: opened, ready: 1, group, patience });
    const settings = { file, masked: host.masked, filter: host.filter };
    return await Nursery.open(await launching, group, doors, settings, importing);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
