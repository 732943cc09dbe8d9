import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import type { Machine } from '../host/machine.ts';
import { kinds } from './frames.ts';
import { anonymousMemory, seal } from './memory.ts';
import type { Monitor } from './monitor.ts';
import { descriptors, type MachineShape, stateSocket } from './qemu.ts';
import { startMachine, type VirtualMachine } from './virtual-machine.ts';
import { Wire } from './wire.ts';

/** Milliseconds for a guest to boot: two seconds where nothing else runs, when it is emulated. */
const bootPatience = 60_000;
const ignoreShared = { capabilities: [{ capability: 'x-ignore-shared', state: true }] };

/** A guest that has booted and waits for its first order, frozen; nothing of any server has run in it. */
export class Template {
  readonly #machine: Machine;
  readonly #shape: MachineShape;
  readonly #memory: number;
  readonly #state: number;

  private constructor(machine: Machine, shape: MachineShape, memory: number, state: number) {
    this.#machine = machine;
    this.#shape = shape;
    this.#memory = memory;
    this.#state = state;
  }

  /** Boots a guest of this shape and freezes it. @throws with the reason, when it does not come up */
  static async boot(machine: Machine, id: string, shape: MachineShape): Promise<Template> {
    const memory = await anonymousMemory(shape.memory);
    try {
      const saved = await bootAndSave(machine, id, shape, memory);
      seal(memory);
      const state = await anonymousMemory(saved.length);
      writeSync(state, saved, 0, saved.length, 0);
      seal(state);
      return new Template(machine, shape, memory, state);
    } catch (error) {
      closeSync(memory);
      throw error;
    }
  }

  /** A machine that goes on where the template was frozen, with memory of its own. */
  async clone(id: string): Promise<VirtualMachine> {
    // Opened anew, so that each reads from the beginning.
    const state = openSync(`/proc/self/fd/${this.#state}`, 'r');
    try {
      const role = { name: 'clone', state } as const;
      const virtual = await startMachine(this.#machine, id, this.#shape, role, this.#memory);
      try {
        await virtual.monitor.execute('migrate-set-capabilities', ignoreShared);
        await virtual.monitor.execute('migrate-incoming', { uri: `fd:${descriptors.state}` });
        virtual.monitor.close();
        return virtual;
      } catch (error) {
        await virtual.kill();
        throw error;
      }
    } finally {
      closeSync(state);
    }
  }

  /** Of memory: what is no clone's goes with the last of them. */
  discard(): void {
    closeSync(this.#memory);
    closeSync(this.#state);
  }
}

/** The agent is there and has opened all that clones share. */
async function booted(virtual: VirtualMachine): Promise<void> {
  const timer = setTimeout(() => void virtual.kill(), bootPatience);
  try {
    await new Promise<void>((resolve, reject) => {
      new Wire(virtual.port, {
        answer: (kind, payload) => {
          if (kind === kinds.ready) resolve();
          else reject(new Error(`the guest did not boot: ${payload.toString('utf8')}`));
        },
        connection: (stream) => void stream.destroy(),
      });
      void virtual.exited.then((exit) =>
        reject(new Error(`the guest did not boot: ${virtual.complaints().trim()} ${JSON.stringify(exit)}`)),
      );
    });
  } finally {
    clearTimeout(timer);
  }
}

/** QEMU's state of the devices and the processor; it hands that to a socket, and the memory stays where it is. */
async function bootAndSave(machine: Machine, id: string, shape: MachineShape, memory: number): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'innerkeep-template-'));
  const server = createServer();
  try {
    const path = join(folder, 'socket');
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    chmodSync(path, 0o666);
    const virtual = await startMachine(machine, id, shape, { name: 'template', socket: machine.show(path) }, memory);
    try {
      await booted(virtual);
      const received = receive(server);
      await save(virtual.monitor);
      return await received;
    } finally {
      await virtual.kill();
    }
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

async function receive(server: Server): Promise<Buffer> {
  const [socket] = (await once(server, 'connection')) as [Socket];
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function save(monitor: Monitor): Promise<void> {
  await monitor.execute('migrate-set-capabilities', ignoreShared);
  await monitor.execute('migrate', { uri: `unix:${stateSocket}` });
  for (;;) {
    const { status } = (await monitor.execute('query-migrate')) as { status?: string };
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') throw new Error(`the template was not saved: ${status}`);
    await after(5);
  }
}
