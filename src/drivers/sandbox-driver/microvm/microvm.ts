import { realpathSync, statSync } from 'node:fs';
import type { Sandbox, SandboxDriver, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { checkLimits, type Machine, type MachineOptions, prepareMachine } from '../host/machine.ts';
import { seccompFilter } from '../host/seccomp-filter.ts';
import { guestImage } from './guest-image.ts';
import { imageOf } from './images.ts';
import { probeMachine } from './probe.ts';
import type { Accelerator, MachineShape } from './qemu.ts';
import { MicrovmSandbox } from './sandbox.ts';
import { settings } from './settings.ts';
import { Templates } from './templates.ts';

const mebibyte = 1 << 20;
/** Of the guest's memory, what its kernel and the agent take beside the server's limit, bytes. */
const kernelMemory = 112 * mebibyte;
/** Milliseconds for a clone to have a server started in it. */
const patience = 30_000;

/**
 * A virtual machine for each sandbox (QEMU microvm, tested with 7.2): a clone of a template that was booted once for a
 * server's shape, with no device but read-only images, declared mounts and one port.
 *
 * The conditions of `prepareMachine` hold here too. What is missing shows in `probe()`, and `start()` rejects.
 *
 * @param accelerator `tcg` emulates the machine: it functions where there is no KVM, and is no boundary
 */
export function microvm(accelerator: Accelerator, options: MachineOptions): SandboxDriver {
  let host: { readonly machine: Machine; readonly templates: Templates } | undefined;
  let count = 0;
  const start = async (profile: SandboxProfile): Promise<Sandbox> => {
    if (host === undefined) {
      const machine = prepareMachine(options);
      host = { machine, templates: new Templates(machine) };
    }
    const { machine, templates } = host;
    checkLimits(profile);
    const shape = await shapeOf(machine, accelerator, options.node, profile);
    const id = `microvm-${++count}`;
    const sandbox = new MicrovmSandbox(id, await templates.clone(id, shape), profile.wayOut?.socket);
    const giveUp = setTimeout(() => void sandbox.kill(), patience);
    try {
      await sandbox.begin(seccompFilter('x64'), settings(profile, shape.mounts));
      return sandbox;
    } catch (error) {
      await sandbox.kill();
      throw new Error(`microvm: ${(error as Error).message}`);
    } finally {
      clearTimeout(giveUp);
    }
  };
  return {
    probe: () => probeMachine(accelerator, start),
    start,
  };
}

async function shapeOf(
  machine: Machine,
  accelerator: Accelerator,
  node: string,
  profile: SandboxProfile,
): Promise<MachineShape> {
  const reached = machine.reach(profile);
  const { kernel, initramfs, system } = guestImage();
  const [nodeImage, server] = await Promise.all([imageOf(realpathSync(node)), imageOf(realpathSync(profile.root))]);
  return {
    accelerator,
    memory: Math.ceil((profile.memory + kernelMemory) / mebibyte) * mebibyte,
    guest: { kernel: machine.show(kernel), initramfs: machine.show(initramfs), system: machine.show(system) },
    node: machine.show(nodeImage),
    server: machine.show(server),
    mounts: profile.mounts.map(({ from, mode }, index) => ({
      from: reached.mounts[index] ?? '',
      file: !statSync(from).isDirectory(),
      mode,
    })),
  };
}
