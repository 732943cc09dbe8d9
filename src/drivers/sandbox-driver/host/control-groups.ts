import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  write,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';

/** What a sandbox may use: bytes of memory, number of processes and threads. */
export interface GroupLimits {
  readonly memory: number;
  readonly pids: number;
}

/** One sandbox's groups, one directory a hierarchy. */
export interface Group {
  /** Moves the first process in; the ones that it starts from then on are born there. */
  add(pid: number): Promise<void>;
  /** Process ids of what is in it, as this process sees them. */
  members(): readonly number[];
  outOfMemory(): boolean;
  /** Kills whatever is in it, apart from one process; returns how many that were. */
  kill(except?: number): number;
  /** False while a process is left. */
  remove(): boolean;
  /** Kills whatever is in it until it can be removed. */
  clear(): Promise<void>;
}

export interface ControlGroups {
  /** Creates a group with all limits set. Throws when one cannot be set. */
  create(limits: GroupLimits): Group;
  /** Ends and removes what processes that are dead by now left behind. */
  sweep(): void;
}

interface Hierarchies {
  readonly version: 1 | 2;
  /** The directory below which groups are made, for each controller in use. */
  readonly parents: Readonly<Record<string, string>>;
}

const required = ['memory', 'pids'];

/**
 * Finds where this process may make groups: below its own group in each cgroup v1 hierarchy, else below the nearest
 * ancestor that hands memory and pids down in cgroup v2 (a group with processes of its own cannot).
 *
 * `procfs` is where /proc is mounted. Throws where there is no such place; the probe has the mend.
 */
export function controlGroups(procfs = '/proc'): ControlGroups {
  const hierarchies = find(procfs);
  const owner = `innerkeep.${pidNamespace(procfs)}.${process.pid}.${startTime(procfs, process.pid)}`;
  return {
    create: (limits) => create(hierarchies, `${owner}.${process.hrtime.bigint()}`, limits),
    sweep: () => sweep(hierarchies, procfs),
  };
}

function find(procfs: string): Hierarchies {
  const own = new Map<string, string>();
  for (const line of readFileSync(join(procfs, 'self/cgroup'), 'utf8').trim().split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) own.set(controller, path);
  }
  const mounts = cgroupMounts(procfs);
  const parents: Record<string, string> = {};
  for (const controller of [...required, 'cpu']) {
    const mount = mounts.find(({ version, options }) => version === 1 && options.includes(controller));
    const path = own.get(controller);
    if (mount !== undefined && path !== undefined) parents[controller] = below(mount, path);
  }
  if (required.every((controller) => controller in parents)) return { version: 1, parents };
  const unified = mounts.find(({ version }) => version === 2);
  if (unified === undefined) throw new Error('no cgroup file system is mounted');
  for (let parent = below(unified, own.get('') ?? '/'); ; parent = dirname(parent)) {
    const handedDown = read(join(parent, 'cgroup.subtree_control')).trim().split(' ');
    if (required.every((controller) => handedDown.includes(controller))) {
      return { version: 2, parents: { unified: parent } };
    }
    if (parent.length <= unified.point.length) throw new Error('no cgroup hands memory and pids down to us');
  }
}

interface CgroupMount {
  readonly version: 1 | 2;
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

function cgroupMounts(procfs: string): CgroupMount[] {
  return readFileSync(join(procfs, 'self/mountinfo'), 'utf8')
    .trim()
    .split('\n')
    .flatMap((line): CgroupMount[] => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , , root = '', point = ''] = before.split(' ');
      const [type, , options = ''] = after.split(' ');
      if (type !== 'cgroup' && type !== 'cgroup2') return [];
      return [{ version: type === 'cgroup' ? 1 : 2, root, point, options: options.split(',') }];
    });
}

/** A path of /proc/self/cgroup as a directory below the mount, which may show only a part of the hierarchy. */
function below(mount: CgroupMount, path: string): string {
  const rest = mount.root !== '/' && path.startsWith(mount.root) ? path.slice(mount.root.length) : path;
  return join(mount.point, rest);
}

function create({ version, parents }: Hierarchies, name: string, limits: GroupLimits): Group {
  const at = new Map(Object.entries(parents).map(([controller, parent]) => [controller, join(parent, name)]));
  const directories = [...at.values()];
  const memory = at.get(version === 1 ? 'memory' : 'unified') ?? '';
  const pids = at.get(version === 1 ? 'pids' : 'unified') ?? '';
  /** Where all of its processes are; until the first is in each of them, all have to be asked. */
  let populated = directories;
  const group: Group = {
    add: async (pid) => {
      await Promise.all(directories.map((directory) => move(pid, directory)));
      populated = [memory];
    },
    members: () => members(memory),
    outOfMemory: () => {
      const events = read(join(memory, version === 1 ? 'memory.oom_control' : 'memory.events'));
      return Number(/^oom_kill (\d+)/m.exec(events)?.[1] ?? 0) > 0;
    },
    kill: (except) => Math.max(...populated.map((directory) => killMembers(directory, except))),
    remove: () => directories.every(removeDirectory),
    clear: async () => {
      for (let wait = 1; !group.remove(); wait = Math.min(wait * 2, 50)) {
        group.kill();
        await after(wait);
      }
    },
  };
  try {
    for (const directory of directories) mkdirSync(directory);
    writeFileSync(join(pids, 'pids.max'), String(limits.pids));
    if (version === 1) {
      writeFileSync(join(memory, 'memory.limit_in_bytes'), String(limits.memory));
      limitSwapV1(memory, limits.memory);
    } else {
      writeFileSync(join(memory, 'memory.max'), String(limits.memory));
      writeIfThere(join(memory, 'memory.swap.max'), '0');
    }
  } catch (error) {
    group.remove();
    throw new Error(`cgroup limits cannot be set (${(error as Error).message})`);
  }
  return group;
}

const writeAside = promisify(write);

/** The kernel may take milliseconds for it, in which calls that run must not stand still. */
async function move(pid: number, directory: string): Promise<void> {
  const descriptor = openSync(join(directory, 'cgroup.procs'), 'w');
  try {
    await writeAside(descriptor, String(pid));
  } finally {
    closeSync(descriptor);
  }
}

/** memsw counts memory and swap together; kernels without swap accounting have swappiness alone. */
function limitSwapV1(directory: string, memory: number): void {
  if (!writeIfThere(join(directory, 'memory.memsw.limit_in_bytes'), String(memory))) {
    writeFileSync(join(directory, 'memory.swappiness'), '0');
  }
}

function writeIfThere(file: string, value: string): boolean {
  try {
    writeFileSync(file, value, { flag: 'r+' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function sweep({ parents }: Hierarchies, procfs: string): void {
  const namespace = pidNamespace(procfs);
  for (const parent of Object.values(parents)) {
    for (const name of readdirSync(parent)) {
      const [, owner, pid, started] = /^innerkeep\.(\d+)\.(\d+)\.(\d+)\.\d+$/.exec(name) ?? [];
      if (owner !== namespace || startTime(procfs, Number(pid)) === started) continue;
      const directory = join(parent, name);
      // Another user's are for that user to sweep.
      if (!writable(directory)) continue;
      killMembers(directory);
      // A killed process needs a moment to leave; what is still there goes with the next sweep.
      for (let attempt = 0; attempt < 50 && !removeDirectory(directory); attempt++) pause(2);
    }
  }
}

function writable(directory: string): boolean {
  try {
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function members(directory: string): number[] {
  return read(join(directory, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
}

function killMembers(directory: string, except?: number): number {
  // 0 stands for a process of another pid namespace, and would mean our own group to kill(2).
  const victims = members(directory).filter((pid) => pid > 0 && pid !== except);
  for (const pid of victims) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  return victims.length;
}

function removeDirectory(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (gone.has((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

/** ESRCH: a process that ended while its file was read. */
const gone = new Set(['ENOENT', 'ESRCH']);

function pidNamespace(procfs: string): string {
  return /\d+/.exec(readlinkSync(join(procfs, 'self/ns/pid')))?.[0] ?? '';
}

/** Clock ticks from boot to the start of a process, which tells it from a later one with the same id. */
function startTime(procfs: string, pid: number): string | undefined {
  const stat = read(join(procfs, String(pid), 'stat'));
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
