import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configuredDrivers, doctor } from '../../src/cli/doctor.ts';
import type { SandboxProbe } from '../../src/contract/sandbox-driver.ts';
import { mends as bubblewrap } from '../../src/drivers/sandbox-driver/bubblewrap/mends.ts';
import { mends as gvisor } from '../../src/drivers/sandbox-driver/gvisor/mends.ts';
import { verifies } from '../support/verifies.ts';

const held = { control: 'network', held: true, evidence: 'refused' };
const absent = { control: 'start', held: false, evidence: 'gVisor (runsc) is not installed' };
const probes: readonly SandboxProbe[] = [
  { driver: 'bubblewrap', version: '0.8.0', controls: [held], mend: undefined },
  { driver: 'gvisor', version: 'absent', controls: [absent], mend: 'apt-get install runsc' },
];

async function ask(...needed: string[]) {
  const said: string[] = [];
  const io = { json: true, stdout: (text: string) => void said.push(text) };
  const code = await doctor(new Set(needed), async () => probes, io);
  const { findings } = JSON.parse(said.join('')) as { findings: { what: string; verdict: string; mend?: string }[] };
  return { code, findings };
}

test('a driver that is not there is missing only where a server asks for it; how to get it is said in any case', async () => {
  verifies('sandbox.isolation');
  const unasked = await ask('bubblewrap');
  const asked = await ask('bubblewrap', 'gvisor');
  assert.deepEqual([unasked.code, asked.code], [0, 1]);
  const row = { what: 'gvisor absent: start', evidence: absent.evidence, mend: 'apt-get install runsc' };
  assert.deepEqual(unasked.findings.at(-1), { ...row, verdict: 'absent' });
  assert.deepEqual(asked.findings.at(-1), { ...row, verdict: 'missing' });
});

test('what is needed is what the configuration says, tcg apart from kvm; without one, the default', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ik-doctor-'));
  const file = join(directory, 'innerkeep.yaml');
  try {
    assert.deepEqual(await configuredDrivers(file, directory), new Set(['bubblewrap']));
    const servers = Object.entries({
      a: 'driver: gvisor',
      b: 'driver: microvm',
      c: 'driver: microvm, accelerator: tcg',
    }).map(([name, sandbox]) => `  ${name}: { root: ., command: [node], sandbox: { ${sandbox} } }\n`);
    writeFileSync(file, `servers:\n${servers.join('')}  d: { url: "https://x.example/mcp" }\n`);
    assert.deepEqual(await configuredDrivers(file, directory), new Set(['gvisor', 'microvm', 'microvm-tcg']));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const [driver, mends] of Object.entries({ bubblewrap, gvisor }))
  test(`${driver} names the mend for what a distribution holds back`, () => {
    const mend = (evidence: string) => mends.find(([symptom]) => symptom.test(evidence))?.[1] ?? '';
    assert.match(mend('bwrap: setting up uid map: Permission denied'), /apparmor/i);
    assert.match(mend('bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted'), /AppArmor/);
    assert.match(mend('bwrap: No permissions to create new namespace'), /unprivileged_userns_clone/);
    assert.match(mend('no cgroup hands memory and pids down to us'), /Delegate=yes/);
    assert.match(mend('bubblewrap is not installed'), /apt-get install bubblewrap/);
  });
