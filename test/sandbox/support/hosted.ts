import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxProbe, SandboxProfile } from '../../../src/contract/sandbox-driver.ts';
import { controlGroups } from '../../../src/drivers/sandbox-driver/host/control-groups.ts';
import type { Answer, Order, Ran } from './host.ts';

const program = join(import.meta.dirname, 'host.ts');

/** The name of the component that is missing, as the reason to skip; else false. */
export function absent(name: 'bubblewrap' | 'python3' | 'root'): string | false {
  if (name === 'root') return process.getuid?.() === 0 ? false : name;
  if (!existsSync(name === 'bubblewrap' ? '/usr/bin/bwrap' : '/usr/bin/python3')) return name;
  if (name === 'python3') return false;
  try {
    controlGroups()
      .create({ memory: 1 << 24, pids: 4 })
      .remove();
    return false;
  } catch {
    return 'a cgroup that limits can be set in';
  }
}

export interface Held {
  readonly seen: string;
  readonly ended: Promise<Ran>;
  kill(): Promise<undefined>;
}

/** How many processes of the whole machine have this text in their arguments. */
export function processesWith(marker: string): number {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(marker);
    } catch {
      return false;
    }
  }).length;
}

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** The driver in a process of its own: as root in a private mount namespace, as the product starts it. */
export class Hosted implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #count = 0;

  /** @param wrap what starts the process, in front of its own argument vector */
  constructor(
    forbidden = '',
    wrap = process.getuid?.() === 0 ? ['unshare', '--mount', '--propagation', 'private'] : [],
  ) {
    const [command = '', ...args] = [...wrap, process.execPath, program, process.execPath, forbidden];
    this.child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    this.child.on('message', (answer: Answer) => this.#waiting.get(answer.id)?.(answer));
    this.child.once('exit', () => {
      for (const [id, answer] of this.#waiting) answer({ id, error: 'the hosting process has ended' });
    });
  }

  run(profile: SandboxProfile, stdin = ''): Promise<Ran> {
    return this.#ask({ kind: 'run', profile, stdin, until: undefined });
  }

  /** Resolves as soon as `until` was said; the sandbox lives on. */
  hold(profile: SandboxProfile, until: string, stdin = ''): Promise<Held> {
    return new Promise((resolve, reject) => {
      const run = this.#count + 1;
      const ended = this.#ask<Ran>({ kind: 'run', profile, stdin, until }, (seen) =>
        resolve({ seen, ended, kill: () => this.#ask({ kind: 'kill', run }) }),
      );
      ended.then((ran) => reject(new Error(`ended before ${until}: ${ran.stdout} ${ran.stderr}`)), reject);
    });
  }

  check(profile: SandboxProfile): Promise<undefined> {
    return this.#ask({ kind: 'check', profile });
  }

  probe(): Promise<SandboxProbe> {
    return this.#ask({ kind: 'probe' });
  }

  memory(): Promise<number> {
    return this.#ask({ kind: 'memory' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.disconnect();
    await ended;
  }

  #ask<T>(order: Unnumbered<Order>, seen: (output: string) => void = () => {}): Promise<T> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        if ('seen' in answer) return seen(answer.seen);
        this.#waiting.delete(id);
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.value as T);
      });
      this.child.send({ ...order, id } as Order);
    });
  }
}

/** A server's directory, readable for the sandbox's uid. */
export class ServerFiles implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'ik-server-'));

  constructor(files: Readonly<Record<string, string>> = {}) {
    writeFileSync(join(this.root, 'package.json'), '{"type":"module"}');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.root, name), text);
    chmodSync(this.root, 0o755);
  }

  profile(command: readonly string[], more: Partial<SandboxProfile> = {}): SandboxProfile {
    return { name: 'test', command, root: this.root, mounts: [], memory: 128 << 20, pids: 64, ...more };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}
