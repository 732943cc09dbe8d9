import type { SandboxDriverName } from '../contract/bundle.ts';
import type { SandboxDriver } from '../contract/sandbox-driver.ts';
import { bubblewrap } from '../drivers/sandbox-driver/bubblewrap/bubblewrap.ts';
import { forkServer } from '../drivers/sandbox-driver/bubblewrap/fork-server/fork-server.ts';
import { gvisor } from '../drivers/sandbox-driver/gvisor/gvisor.ts';
import type { MachineOptions } from '../drivers/sandbox-driver/host/machine.ts';
import { microvm } from '../drivers/sandbox-driver/microvm/microvm.ts';

/** Every driver that there is. Nothing runs in it until one is asked for. */
export const sandboxDrivers: Readonly<Record<SandboxDriverName, (options: MachineOptions) => SandboxDriver>> = {
  bubblewrap,
  'bubblewrap-fork': forkServer,
  gvisor,
  microvm: (options) => microvm('kvm', options),
  'microvm-tcg': (options) => microvm('tcg', options),
};
