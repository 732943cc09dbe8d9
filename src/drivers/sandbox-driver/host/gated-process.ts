import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Sandbox, SandboxExit } from '../../../contract/sandbox-driver.ts';
import type { Group } from './control-groups.ts';
import { StderrTail } from './stderr-tail.ts';

/** A line on standard input opens the inner gate; end of file means that the driver has died, and then nothing more runs. */
const gateLine = 'go\n';

/** A sandbox with what comes after `ready` on the descriptor that says so. */
export type Launched = Sandbox & { readonly ready: Duplex; readonly stdout: Readable };

/** Milliseconds. */
const askEvery = 200;

type Running = ChildProcess & { readonly pid: number };

/** What is needed to start one sandbox; descriptors are read from their beginning and stay the caller's. */
export interface Launch {
  readonly id: string;
  /** What stands in front of its own words when it fails. */
  readonly driver: string;
  /**
   * Argument vector of bubblewrap, up to its `--` and behind. The sandbox's own first program, the inner gate, says
   * `ready` when the whole profile is in force, and becomes the server when a line answers that.
   */
  readonly command: readonly string[];
  /** The unprivileged identity to take on; undefined: this process's own. */
  readonly uid: number | undefined;
  /** Descriptors that the program gets from 3 on; `pipe` is one that the inner gate may say `ready` on. */
  readonly extra: readonly (number | 'pipe')[];
  /** The descriptor on which the inner gate says `ready`. */
  readonly ready: number;
  readonly group: Group;
  /**
   * Whether all of it ends with the first process that is ended at the memory limit: a kernel in user space may wait
   * for ever for one that it has lost.
   */
  readonly endsTogether?: true;
  /** Milliseconds until a sandbox that is not complete is given up. */
  readonly patience: number;
}

/**
 * Starts the program with all that comes from it in its group, and resolves once the sandbox has reported that it is
 * complete and the server begins. Rejects with the program's own words otherwise; nothing is left then.
 */
export async function launch(start: Launch): Promise<Launched> {
  const [bubblewrap = '', ...options] = start.command.slice(0, start.command.indexOf('--'));
  const at = 3 + start.extra.length;
  const child = spawnOrRefuse(start, bubblewrap, ['--args', String(at), ...start.command.slice(options.length + 1)]);
  const gate = child.stdio[at] as unknown as Duplex;
  gate.on('error', () => {});
  const sandbox = new GatedSandbox(start.id, child, start.group, child.stdio[start.ready] as unknown as Duplex);
  const giveUp = setTimeout(() => void sandbox.kill(), start.patience);
  if (start.endsTogether) endTogether(sandbox, start.group);
  try {
    await start.group.add(child.pid);
    openGate(gate, options);
    if ((await firstLine(sandbox.ready)) !== 'ready\n') throw new Error('the sandbox was not completed');
    sandbox.stdin.write(gateLine);
    return sandbox;
  } catch (error) {
    await sandbox.kill();
    throw new Error(`${start.driver}: ${sandbox.stderrTail().trim() || (error as Error).message}`);
  } finally {
    clearTimeout(giveUp);
  }
}

/**
 * In front of all: bubblewrap waits for its options until its process, and so all that will come from it, is in its group.
 * If the driver dies before, they end too early: there is no program in such a sandbox, or the inner gate is shut.
 */
function openGate(gate: Duplex, options: readonly string[]): void {
  gate.end(options.map((option) => `${option}\0`).join(''), () => gate.destroy());
}

/** cgroup v1 tells nobody who cannot wait on an eventfd; to ask costs microseconds. */
function endTogether(sandbox: Sandbox, group: Group): void {
  const timer = setInterval(() => {
    if (group.outOfMemory()) void sandbox.kill();
  }, askEvery);
  timer.unref();
  void sandbox.exited.then(() => clearInterval(timer));
}

/** A process that exists; without one (no descriptors, no processes left) its group goes too. */
function spawnOrRefuse(start: Launch, program: string, args: readonly string[]): Running {
  try {
    const child = spawn(program, args, {
      env: {},
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe', ...start.extra, 'pipe'],
      ...(start.uid === undefined ? {} : { uid: start.uid, gid: start.uid }),
    });
    if (isRunning(child)) return child;
    child.on('error', () => {});
    throw new Error(`${start.driver}: no process could be started`);
  } catch (error) {
    start.group.remove();
    throw error;
  }
}

function isRunning(child: ChildProcess): child is Running {
  return child.pid !== undefined;
}

/** What the stream says up to its first line's end, or to its own; what follows stays in it. */
export function firstLine(stream: Readable): Promise<string> {
  let seen = Buffer.alloc(0);
  return new Promise((resolve) => {
    const settle = (length: number) => {
      stream.off('readable', look).off('end', end).off('close', end);
      if (length < seen.length) stream.unshift(seen.subarray(length));
      resolve(seen.toString('utf8', 0, length));
    };
    const look = () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        seen = Buffer.concat([seen, chunk as Uint8Array]);
        const newline = seen.indexOf(0x0a);
        if (newline >= 0) return settle(newline + 1);
      }
    };
    const end = () => settle(seen.length);
    stream.on('readable', look).on('end', end).on('close', end);
  });
}

class GatedSandbox implements Launched {
  readonly id: string;
  readonly ready: Duplex;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<SandboxExit>;
  readonly #child: Running;
  readonly #group: Group;
  readonly #stderr: StderrTail;

  constructor(id: string, child: Running, group: Group, ready: Duplex) {
    this.id = id;
    this.ready = ready;
    this.#child = child;
    this.#group = group;
    this.stdin = child.stdin as Writable;
    this.stdout = child.stdout as Readable;
    this.#stderr = new StderrTail(child.stderr as Readable);
    // A server that closes its input or dies is seen by its exit; the pipes have nothing to add.
    this.#child.on('error', () => {});
    this.ready.on('error', () => {});
    this.stdin.on('error', () => {});
    this.stdout.on('error', () => {});
    this.exited = this.#watch();
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  /**
   * All but the outermost process, which reaps the sandbox's first one and then ends; it goes by force when it
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
    // The outermost may go before the last of its namespace has; the group tells when that is gone too.
    await this.#group.clear();
    await this.#stderr.finish();
    return { ...serverStatus(status), outOfMemory };
  }
}

export const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** The program reports a server that was ended by a signal as 128 + its number. */
function serverStatus(status: { code: number | null; signal: string | null }): {
  code: number | null;
  signal: string | null;
} {
  const name = status.code === null ? undefined : signalNames.get(status.code - 128);
  return name === undefined ? status : { code: null, signal: name };
}
