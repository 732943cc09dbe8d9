import { Duplex } from 'node:stream';
import type { SandboxExit } from '../../../contract/sandbox-driver.ts';
import { type Launched, launch } from '../host/gated-process.ts';
import { findProgram, type Machine } from '../host/machine.ts';
import { Monitor } from './monitor.ts';
import { descriptors, type MachineShape, machineCommand, type Role } from './qemu.ts';

/** What QEMU may need beside the guest's memory, bytes: its own code and what it translates; threads: disks, mounts. */
const own = { memory: 192 << 20, pids: 127 };
/** Milliseconds for QEMU's process to be there. */
const patience = 10_000;

/** One QEMU, confined; its guest does not run before `monitor` was told so, unless it is a template. */
export interface VirtualMachine {
  /** Raw bytes to and from the guest's one port. */
  readonly port: Duplex;
  readonly monitor: Monitor;
  /** Resolves when every process of it is gone; `outOfMemory` is of the host's limit, not of the guest's. */
  readonly exited: Promise<SandboxExit>;
  /** QEMU's own last words. */
  complaints(): string;
  kill(): Promise<SandboxExit>;
}

/**
 * @param memory descriptor of the guest's memory; a clone maps it privately
 * @throws with QEMU's own words
 */
export async function startMachine(
  machine: Machine,
  id: string,
  shape: MachineShape,
  role: Role,
  memory: number,
): Promise<VirtualMachine> {
  const command = machineCommand(findProgram('bwrap', 'bubblewrap'), findQemu(), shape, role);
  const group = machine.group({ memory: shape.memory, pids: 1 }, own);
  const { uid } = machine;
  const extra = ['pipe', memory, ...(role.name === 'clone' ? [role.state] : [])] as const;
  const process = await launch({
    id,
    driver: 'QEMU',
    command,
    uid,
    extra,
    ready: descriptors.monitor,
    group,
    patience,
  });
  const monitor = new Monitor(process.ready);
  try {
    await monitor.execute('qmp_capabilities');
  } catch (error) {
    await process.kill();
    throw new Error(`${(error as Error).message}: ${process.stderrTail().trim()}`);
  }
  return {
    port: portOf(process),
    monitor,
    exited: process.exited,
    complaints: () => process.stderrTail(),
    kill: () => process.kill(),
  };
}

function portOf({ stdin, stdout }: Launched): Duplex {
  return Duplex.from({ readable: stdout, writable: stdin });
}

/** @throws where it is absent */
export function findQemu(): string {
  return findProgram('qemu-system-x86_64', 'qemu');
}
