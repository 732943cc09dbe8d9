import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { type Attempt, attempts, type Targets } from './probe-attempts.ts';

type Start = (profile: SandboxProfile) => Promise<Sandbox>;

const memory = 128 * 1024 * 1024;
const patience = 20_000;

/**
 * Starts throw-away sandboxes with a hostile script and reports what it achieved. Never rejects: what could not be
 * tried did not hold.
 *
 * @param bubblewrap finds the program; throws where it is absent
 */
export async function probeSandbox(bubblewrap: () => string, start: Start): Promise<SandboxProbe> {
  const driver = 'bubblewrap';
  let version = 'absent';
  const root = mkdtempSync(join(tmpdir(), 'innerkeep-probe-'));
  try {
    chmodSync(root, 0o755);
    version = execFileSync(bubblewrap(), ['--version'], { encoding: 'utf8', env: {} }).trim().split(' ').at(-1) ?? '';
    const controls = [...(await hostileScript(start, root)), await memoryLimit(start, root)];
    return { driver, version, controls, mend: controls.every(({ held }) => held) ? undefined : mendFor(controls) };
  } catch (error) {
    const controls = [{ control: 'start', held: false, evidence: (error as Error).message }];
    return { driver, version, controls, mend: mendFor(controls) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function hostileScript(start: Start, root: string): Promise<readonly Attempt[]> {
  const abstract = `innerkeep-probe-${process.pid}-${process.hrtime.bigint()}`;
  const listeners = [createServer(), createServer()] as const;
  try {
    await Promise.all([
      listening(listeners[0], { host: '127.0.0.1', port: 0 }),
      listening(listeners[1], { path: `\0${abstract}` }),
    ]);
    const { port } = listeners[0].address() as AddressInfo;
    const targets: Targets = { port, abstract, pid: process.pid, scratch: memory / 2 };
    const script = `(${attempts})(${JSON.stringify(targets)}).then((rows) => { console.log(JSON.stringify(rows)); process.exit(0); })`;
    const said = await outputOf(await start(profile(root, script, 32)));
    return JSON.parse(said.output) as Attempt[];
  } finally {
    for (const listener of listeners) listener.close();
  }
}

async function memoryLimit(start: Start, root: string): Promise<Attempt> {
  const script =
    'const held = []; for (let n = 0; n < 24; n++) held.push(Buffer.alloc(16 << 20, 1)); console.log(held.length)';
  const { output, outOfMemory } = await outputOf(await start(profile(root, script, 32)));
  const held = outOfMemory && output === '';
  return {
    control: 'memory limit',
    held,
    evidence: held ? 'ended at the limit' : `allocated 384 MiB of ${memory} bytes`,
  };
}

function profile(root: string, script: string, pids: number): SandboxProfile {
  return { name: 'probe', command: ['/opt/node/bin/node', '-e', script], root, mounts: [], memory, pids };
}

async function outputOf(sandbox: Sandbox): Promise<{ readonly output: string; readonly outOfMemory: boolean }> {
  const timer = setTimeout(() => void sandbox.kill(), patience);
  try {
    let output = '';
    for await (const chunk of sandbox.stdout) output += Buffer.from(chunk).toString('utf8');
    const { outOfMemory, code } = await sandbox.exited;
    if (code !== 0 && !outOfMemory) throw new Error(`the probe ended early: ${sandbox.stderrTail().trim() || code}`);
    return { output, outOfMemory };
  } finally {
    clearTimeout(timer);
  }
}

function listening(server: Server, at: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, resolve);
  });
}

/** What bubblewrap and the kernel say when they are not allowed to, and what to type then. */
const mends: readonly (readonly [RegExp, string])[] = [
  [/not installed/, 'apt-get install bubblewrap'],
  [
    /uid map|loopback|RTM_NEWADDR/,
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (or an AppArmor profile for bwrap)',
  ],
  [
    /new namespace|unprivileged_userns|user namespace/,
    'sysctl -w kernel.unprivileged_userns_clone=1; sysctl -w user.max_user_namespaces=15000',
  ],
  [/mount namespace/, 'start the runtime with: unshare --mount --propagation private'],
  [
    /cgroup/,
    'run innerkeep as root, or on cgroup v2 with a delegated group: systemd-run --user --scope -p Delegate=yes ./innerkeep up',
  ],
];

function mendFor(controls: readonly Attempt[]): string {
  const evidence = controls
    .filter(({ held }) => !held)
    .map((row) => row.evidence)
    .join('\n');
  return (
    mends.find(([symptom]) => symptom.test(evidence))?.[1] ??
    'bubblewrap 0.8 or later on a kernel with user namespaces is needed'
  );
}
