import type { Machine } from '../host/machine.ts';
import type { MachineShape } from './qemu.ts';
import { Template } from './template.ts';
import type { VirtualMachine } from './virtual-machine.ts';

/** Each holds the memory of a guest that has booted. */
const most = 16;

interface Entry {
  readonly template: Promise<Template>;
  users: number;
}

/** One template for each shape, booted when it is asked for first; the ones not used for longest give way. */
export class Templates {
  readonly #machine: Machine;
  readonly #entries = new Map<string, Entry>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async clone(id: string, shape: MachineShape): Promise<VirtualMachine> {
    const entry = this.#entry(id, shape);
    entry.users++;
    try {
      return await (await entry.template).clone(id);
    } finally {
      entry.users--;
    }
  }

  #entry(id: string, shape: MachineShape): Entry {
    const key = JSON.stringify(shape);
    const known = this.#entries.get(key);
    const entry = known ?? { template: Template.boot(this.#machine, `${id}-template`, shape), users: 0 };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (known === undefined) {
      // One that did not come up is tried again by the next.
      entry.template.catch(() => this.#entries.delete(key));
      this.#makeRoom();
    }
    return entry;
  }

  #makeRoom(): void {
    for (const [key, { template, users }] of this.#entries) {
      if (this.#entries.size <= most) return;
      if (users > 0) continue;
      this.#entries.delete(key);
      void template.then((unused) => unused.discard());
    }
  }
}
