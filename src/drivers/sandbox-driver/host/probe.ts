import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox, SandboxProbe, SandboxProfile } from '../../../contract/sandbox-driver.ts';
import type { Mends } from './mends.ts';
import { type Attempt, attempts, type Targets } from './probe-attempts.ts';

type Start = (profile: SandboxProfile) => Promise<Sandbox>;

/** A driver as its probe sees it. */
export interface Probed {
  readonly driver: string;
  /** Finds the program that answers `--version`. Throws where it is absent. */
  program(): string;
  /** Whose kernel answers the sandbox's system calls: the host's, or one of the sandbox's own. */
  readonly kernel: Targets['kernel'];
  readonly start: Start;
  /** Milliseconds for a hostile script to end; 20 seconds, if absent. */
  readonly patience?: number;
  /** The last row fits everything. */
  readonly mends: Mends;
}

const memory = 128 * 1024 * 1024;
const usualPatience = 20_000;

/**
 * Starts throw-away sandboxes with a hostile script and reports what it achieved. Never rejects: what could not be
 * tried did not hold.
 */
export async function probeSandbox({ driver, program, kernel, start, mends, patience }: Probed): Promise<SandboxProbe> {
  let version = 'absent';
  const root = mkdtempSync(join(tmpdir(), 'innerkeep-probe-'));
  const mendOf = (controls: readonly Attempt[]): string | undefined => {
    const failed = controls.filter(({ held }) => !held).map(({ evidence }) => evidence);
    return failed.length === 0 ? undefined : mends.find(([symptom]) => symptom.test(failed.join('\n')))?.[1];
  };
  try {
    chmodSync(root, 0o755);
    version = versionOf(program());
    const run = async (script: string) => outputOf(await start(profile(root, script, 32)), patience ?? usualPatience);
    const controls = [...(await hostileScript(run, kernel)), await memoryLimit(run)];
    return { driver, version, controls, mend: mendOf(controls) };
  } catch (error) {
    const controls = [{ control: 'start', held: false, evidence: (error as Error).message }];
    return { driver, version, controls, mend: mendOf(controls) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** The last word of the first line, by every custom. */
function versionOf(program: string): string {
  const [line = ''] = execFileSync(program, ['--version'], { encoding: 'utf8', env: {} }).split('\n');
  return line.replaceAll(/[()]/g, '').trim().split(' ').at(-1) ?? '';
}

type Run = (script: string) => Promise<{ readonly output: string; readonly outOfMemory: boolean }>;

async function hostileScript(run: Run, kernel: Targets['kernel']): Promise<readonly Attempt[]> {
  const abstract = `innerkeep-probe-${process.pid}-${process.hrtime.bigint()}`;
  const listeners = [createServer(), createServer()] as const;
  try {
    await Promise.all([
      listening(listeners[0], { host: '127.0.0.1', port: 0 }),
      listening(listeners[1], { path: `\0${abstract}` }),
    ]);
    const { port } = listeners[0].address() as AddressInfo;
    const targets: Targets = { kernel, release: release(), port, abstract, pid: process.pid, scratch: memory / 2 };
    const script = `(${attempts})(${JSON.stringify(targets)}).then((rows) => { console.log(JSON.stringify(rows)); process.exit(0); })`;
    const { output } = await run(script);
    return JSON.parse(output) as Attempt[];
  } finally {
    for (const listener of listeners) listener.close();
  }
}

async function memoryLimit(run: Run): Promise<Attempt> {
  const script =
    'const held = []; for (let n = 0; n < 24; n++) held.push(Buffer.alloc(16 << 20, 1)); console.log(held.length)';
  const { output, outOfMemory } = await run(script);
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

async function outputOf(sandbox: Sandbox, patience: number): ReturnType<Run> {
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
