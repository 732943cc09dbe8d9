import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxProbe, SandboxProfile } from '../../../src/contract/sandbox-driver.ts';
import { controlGroups } from '../../../src/drivers/sandbox-driver/host/control-groups.ts';
import { guestImageIsThere } from '../../../src/drivers/sandbox-driver/microvm/guest-image.ts';
import type { Answer, Order, Ran } from './host.ts';

const program = join(import.meta.dirname, 'host.ts');

/** The name of the component that is missing, as the reason to skip; else false. */
export function absent(name: 'bubblewrap' | 'gvisor' | 'microvm' | 'python3' | 'root'): string | false {
  if (name === 'root') return process.getuid?.() === 0 ? false : name;
  if (name === 'python3') return existsSync('/usr/bin/python3') ? false : name;
  if (!existsSync('/usr/bin/bwrap')) return 'bubblewrap';
  if (name === 'gvisor' && !existsSync('/usr/bin/runsc')) return 'runsc';
  if (name === 'microvm') {
    if (!existsSync('/usr/bin/qemu-system-x86_64')) return 'qemu';
    if (!existsSync('/usr/bin/mkfs.erofs')) return 'erofs-utils';
    if (!guestImageIsThere()) return 'guest-image';
  }
  try {
    controlGroups()
      .create({ memory: 1 << 24, pids: 4 })
      .remove();
    return false;
  } catch {
    return 'a cgroup that limits can be set in';
  }
}

/** Every driver that the contract is for. A kernel that is the sandbox's own answers calls that no other may make. */
export const drivers = [
  { name: 'bubblewrap', kernel: 'shared', skip: absent('bubblewrap') },
  { name: 'bubblewrap-fork', kernel: 'shared', skip: absent('bubblewrap') || absent('python3') },
  { name: 'gvisor', kernel: 'own', skip: absent('gvisor') },
  { name: 'microvm-tcg', kernel: 'own', skip: absent('microvm') },
] as const;

/** Those with a way out: a forked server has none. */
export const withWayOut = drivers.filter(({ name }) => name !== 'bubblewrap-fork');

/** Directories of the groups that the driver of a process made, wherever the machine's hierarchies allow them. */
export function groupsOf(pid: number, below = '/sys/fs/cgroup'): string[] {
  if (new RegExp(`/innerkeep\\.\\d+\\.${pid}\\.\\d+\\.\\d+$`).test(below)) return [below];
  try {
    return readdirSync(below, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => groupsOf(pid, join(below, name)));
  } catch {
    // Another test's group, which is gone by now.
    return [];
  }
}

/** How many processes of the host are in those groups. */
export function processesOf(pid: number): number {
  const members = groupsOf(pid).flatMap((directory) => {
    try {
      return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  });
  return new Set(members).size;
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

interface HostedOptions {
  readonly forbidden?: string;
  readonly wrap?: readonly string[];
}

const ownMounts = process.getuid?.() === 0 ? ['unshare', '--mount', '--propagation', 'private'] : [];

/** The driver in a process of its own: as root in a private mount namespace, as the product starts it. */
export class Hosted implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #count = 0;

  /** @param wrap what starts the process, in front of its own argument vector */
  constructor(driver: string, { forbidden = '', wrap = ownMounts }: HostedOptions = {}) {
    const [command = '', ...args] = [...wrap, process.execPath, program, driver, process.execPath, forbidden];
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
