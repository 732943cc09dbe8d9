import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of CPU that the processes have used so far, all threads; Linux. */
export function cpuMs(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return nanoseconds / 1e6;
}

/** Resident bytes of the processes together. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    0,
  );
}

/**
 * The processes of a running `innerkeep up`: itself, and the zones below it, sandboxes excepted.
 * @throws Error naming a zone that has no process
 */
export function zones(up: number): number[] {
  const found = new Map<number, string>([[up, 'up']]);
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  // Zone 0 starts the others, and may have a higher number than they.
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const pid of processes) {
      const { parent, zone } = about(pid);
      if (zone !== undefined && found.has(parent)) found.set(Number(pid), zone);
    }
  }
  for (const zone of ['control', 'gateway', 'runtime'])
    if (![...found.values()].includes(zone)) throw new Error(`no process of zone-${zone} below ${up}`);
  return [...found.keys()];
}

function about(pid: string): { parent: number; zone?: string | undefined } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return { parent, zone: /\0zone-(\w+)\0/.exec(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))?.[1] };
  } catch {
    return { parent: 0 };
  }
}
