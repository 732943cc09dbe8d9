import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import type { Sandbox, SandboxExit } from '../../../contract/sandbox-driver.ts';
import { descriptors, gateLine } from './arguments.ts';
import type { Group } from './control-groups.ts';
import { StderrTail } from './stderr-tail.ts';

/** What is needed to start one sandbox; descriptors are read from their beginning and stay the caller's. */
export interface Launch {
  readonly id: string;
  readonly bubblewrap: string;
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
 * Starts bubblewrap, puts all of it into its group before the server's first instruction, and resolves once the
 * sandbox reports that it is complete. Rejects with bubblewrap's own words otherwise; nothing is left then.
 */
export async function launch(start: Launch): Promise<Sandbox> {
  const child = spawn(start.bubblewrap, start.args, {
    env: {},
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe', start.seccomp, 'pipe', 'pipe', 'pipe', start.passwd, start.hosts],
    ...(start.uid === undefined ? {} : { uid: start.uid, gid: start.uid }),
  });
  const sandbox = new BubblewrapSandbox(start.id, child, start.group);
  const giveUp = setTimeout(() => sandbox.kill(), start.patience);
  try {
    // At once, so that whatever happens before the move below happens within the limits too.
    if (child.pid === undefined) throw new Error('it could not be started');
    start.group.add(child.pid);
    const pipes: readonly (Readable | Writable | null | undefined)[] = child.stdio;
    const info = pipes[descriptors.info] as Readable;
    const block = pipes[descriptors.block] as Writable;
    const ready = pipes[descriptors.ready] as Readable;
    for (const stream of [info, block, ready]) stream.on('error', () => {});
    sandbox.init = childPid(await text(info, '}'));
    if (!start.group.has(sandbox.init)) start.group.add(sandbox.init);
    block.end('1');
    sandbox.stdin.write(gateLine);
    if ((await text(ready, '\n')) !== 'ready\n') throw new Error('the sandbox was not completed');
    for (const stream of [info, ready]) stream.destroy();
    return sandbox;
  } catch (error) {
    await sandbox.kill();
    throw new Error(`bubblewrap: ${sandbox.stderrTail().trim() || (error as Error).message}`);
  } finally {
    clearTimeout(giveUp);
  }
}

/** Reads until `end` was seen or the stream ends. */
async function text(stream: Readable, end: string): Promise<string> {
  let seen = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    seen += chunk;
    if (seen.includes(end)) break;
  }
  return seen;
}

function childPid(info: string): number {
  const pid = Number(/"child-pid": *(\d+)/.exec(info)?.[1]);
  if (!Number.isInteger(pid)) throw new Error('no process was started');
  return pid;
}

class BubblewrapSandbox implements Sandbox {
  readonly id: string;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<SandboxExit>;
  /** Process 1 of the sandbox, as the host counts. */
  init: number | undefined;
  readonly #child: ChildProcess;
  readonly #group: Group;
  readonly #stderr: StderrTail;

  constructor(id: string, child: ChildProcess, group: Group) {
    this.id = id;
    this.#child = child;
    this.#group = group;
    this.stdin = child.stdin as Writable;
    this.stdout = child.stdout as Readable;
    this.#stderr = new StderrTail(child.stderr as Readable);
    // A server that closes its input or dies is seen by its exit; the pipes have nothing to add.
    this.stdin.on('error', () => {});
    this.stdout.on('error', () => {});
    this.exited = this.#watch();
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  /**
   * Process 1 goes first: the kernel ends all others with it, and bubblewrap reaps it and follows. Its id cannot have
   * been given to another as long as it is in our group.
   */
  kill(): Promise<SandboxExit> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      if (this.init !== undefined && this.#group.has(this.init)) process.kill(this.init, 'SIGKILL');
      else this.#child.kill('SIGKILL');
    }
    return this.exited;
  }

  async #watch(): Promise<SandboxExit> {
    const status = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', () => resolve({ code: null, signal: null }));
    });
    this.#stderr.finish();
    const outOfMemory = this.#group.outOfMemory();
    // bubblewrap may go before the last of its namespace has; the group tells when that is gone too.
    for (let wait = 1; !this.#group.remove(); wait = Math.min(wait * 2, 50)) {
      this.#group.kill();
      await after(wait);
    }
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
