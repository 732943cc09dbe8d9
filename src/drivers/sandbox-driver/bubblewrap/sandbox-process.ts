import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import type { Sandbox, SandboxExit } from '../../../contract/sandbox-driver.ts';
import type { Group } from '../host/control-groups.ts';
import { StderrTail } from '../host/stderr-tail.ts';
import { descriptors, gateLine } from './arguments.ts';

type Running = ChildProcess & { readonly pid: number };

/** What is needed to start one sandbox; descriptors are read from their beginning and stay the caller's. */
export interface Launch {
  readonly id: string;
  /** Of /bin/sh: both gates and bubblewrap (arguments.ts). */
  readonly args: readonly string[];
  /** The unprivileged identity to take on; undefined: this process's own. */
  readonly uid: number | undefined;
  readonly seccomp: number;
  readonly passwd: number;
  readonly hosts: number;
  readonly group: Group;
  /** Milliseconds until a sandbox that is not complete is given up. */
  readonly patience: number;
}

/**
 * Starts bubblewrap with all that comes from it in its group, and resolves once the sandbox has reported that it is
 * complete and the server begins. Rejects with bubblewrap's own words otherwise; nothing is left then.
 */
export async function launch(start: Launch): Promise<Sandbox> {
  const child = spawnOrRefuse(start);
  const sandbox = new BubblewrapSandbox(start.id, child, start.group);
  const giveUp = setTimeout(() => void sandbox.kill(), start.patience);
  try {
    start.group.add(child.pid);
    sandbox.stdin.write(gateLine);
    const ready = child.stdio[descriptors.ready] as Readable;
    ready.on('error', () => {});
    if ((await firstLine(ready)) !== 'ready\n') throw new Error('the sandbox was not completed');
    sandbox.stdin.write(gateLine);
    return sandbox;
  } catch (error) {
    await sandbox.kill();
    throw new Error(`bubblewrap: ${sandbox.stderrTail().trim() || (error as Error).message}`);
  } finally {
    clearTimeout(giveUp);
  }
}

/** A process that exists; without one (no descriptors, no processes left) its group goes too. */
function spawnOrRefuse(start: Launch): Running {
  try {
    const child = spawn('/bin/sh', start.args, {
      env: {},
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe', start.seccomp, 'pipe', start.passwd, start.hosts],
      ...(start.uid === undefined ? {} : { uid: start.uid, gid: start.uid }),
    });
    if (isRunning(child)) return child;
    child.on('error', () => {});
    throw new Error('bubblewrap: no process could be started');
  } catch (error) {
    start.group.remove();
    throw error;
  }
}

function isRunning(child: ChildProcess): child is Running {
  return child.pid !== undefined;
}

/** What the stream says up to its first line's end, or to its own. */
async function firstLine(stream: Readable): Promise<string> {
  let seen = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    seen += chunk;
    if (seen.includes('\n')) break;
  }
  return seen;
}

class BubblewrapSandbox implements Sandbox {
  readonly id: string;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<SandboxExit>;
  readonly #child: Running;
  readonly #group: Group;
  readonly #stderr: StderrTail;

  constructor(id: string, child: Running, group: Group) {
    this.id = id;
    this.#child = child;
    this.#group = group;
    this.stdin = child.stdin as Writable;
    this.stdout = child.stdout as Readable;
    this.#stderr = new StderrTail(child.stderr as Readable);
    // A server that closes its input or dies is seen by its exit; the pipes have nothing to add.
    this.#child.on('error', () => {});
    this.stdin.on('error', () => {});
    this.stdout.on('error', () => {});
    this.exited = this.#watch();
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  /**
   * All but bubblewrap's outer process, which reaps the sandbox's first one and then ends; it goes by force when it
   * does not, or when there is nothing else.
   */
  kill(): Promise<SandboxExit> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      if (this.#group.kill(this.#child.pid) === 0) this.#child.kill('SIGKILL');
      else setTimeout(() => this.#child.kill('SIGKILL'), 1000).unref();
    }
    return this.exited;
  }

  async #watch(): Promise<SandboxExit> {
    const status = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const outOfMemory = this.#group.outOfMemory();
    // bubblewrap may go before the last of its namespace has; the group tells when that is gone too.
    for (let wait = 1; !this.#group.remove(); wait = Math.min(wait * 2, 50)) {
      this.#group.kill();
      await after(wait);
    }
    await this.#stderr.finish();
    return { ...serverStatus(status), outOfMemory };
  }
}

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** bubblewrap reports a server that was ended by a signal as 128 + its number. */
function serverStatus(status: { code: number | null; signal: string | null }): {
  code: number | null;
  signal: string | null;
} {
  const name = status.code === null ? undefined : signalNames.get(status.code - 128);
  return name === undefined ? status : { code: null, signal: name };
}
