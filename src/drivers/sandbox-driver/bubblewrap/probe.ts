import type { Sandbox, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
export async function probe(_bwrap: string, _start: (p: SandboxProfile) => Promise<Sandbox>): Promise<SandboxProbe> {
  throw new Error('later');
}
