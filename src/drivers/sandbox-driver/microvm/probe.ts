import { readFileSync } from 'node:fs';
import type { Sandbox, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { probeSandbox } from '../host/probe.ts';
import { mends } from './mends.ts';
import type { Accelerator } from './qemu.ts';
import { findQemu } from './virtual-machine.ts';

const control = 'processor';
/** Milliseconds for a hostile script: an emulated processor is slower by ten to sixty times. */
const patience = { kvm: 20_000, tcg: 180_000 };

/**
 * Boots guests with a hostile script in them, and tells what kind of wall stands around them. An emulated one was asked
 * for by name; a KVM without hardware behind it, as in some rented machines, was not, and does not hold.
 */
export async function probeMachine(
  accelerator: Accelerator,
  start: (profile: SandboxProfile) => Promise<Sandbox>,
): Promise<SandboxProbe> {
  const driver = accelerator === 'kvm' ? 'microvm' : 'microvm-tcg';
  const probed = { driver, program: findQemu, kernel: 'own', start, mends, patience: patience[accelerator] } as const;
  if (accelerator === 'tcg') {
    return withProcessor(await probeSandbox(probed), 'emulated (TCG), as configured: it functions, and is no boundary');
  }
  const [, flags = ''] = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
  const extension = flags.split(' ').find((flag) => flag === 'vmx' || flag === 'svm');
  if (extension === undefined) {
    const evidence = 'KVM has no virtualization by hardware here (neither vmx nor svm)';
    const mend = mends.find(([symptom]) => symptom.test(evidence))?.[1];
    return { driver, version: 'not started', controls: [{ control, held: false, evidence }], mend };
  }
  return withProcessor(await probeSandbox(probed), `KVM with ${extension}`);
}

/** Where a guest has booted at all. */
function withProcessor(probe: SandboxProbe, evidence: string): SandboxProbe {
  if (probe.controls.some(({ control }) => control === 'start')) return probe;
  return { ...probe, controls: [...probe.controls, { control, held: true, evidence }] };
}
