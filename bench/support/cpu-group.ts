import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const v1 = '/sys/fs/cgroup/cpuacct';

/**
 * Milliseconds of CPU of this process and of all that it starts from now on, whoever reaps them: a killed sandbox's
 * processes are in no parent's `rusage`. On cgroup v1 by a group of our own; on v2 by the group above ours, in which
 * sandboxes are made, so that nothing else may run in that.
 */
export function cpuMeter(): () => number {
  const own = readFileSync('/proc/self/cgroup', 'utf8');
  const path = /^\d+:[^\n:]*\bcpuacct\b[^\n:]*:(.*)$/m.exec(own)?.[1];
  if (path !== undefined) {
    const group = join(v1, path, `innerkeep-bench-${process.pid}`);
    mkdirSync(group);
    writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
    return () => Number(readFileSync(join(group, 'cpuacct.usage'), 'utf8')) / 1e6;
  }
  const group = join('/sys/fs/cgroup', /^0::(.*)$/m.exec(own)?.[1] ?? '/', '..');
  return () => Number(/^usage_usec (\d+)/m.exec(readFileSync(join(group, 'cpu.stat'), 'utf8'))?.[1]) / 1000;
}

/** Bytes of memory of all that this process has started and that lives, each shared page counted in parts (PSS). */
export function childrenBytes(): number {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => [pid, parentOf(pid)]),
  );
  const isOurs = (pid: string | undefined): boolean =>
    pid !== undefined && (pid === String(process.pid) || isOurs(parents.get(pid)));
  let bytes = 0;
  for (const [pid, parent] of parents) if (isOurs(parent)) bytes += pss(pid);
  return bytes;
}

function parentOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  } catch {
    return undefined;
  }
}

function pss(pid: string): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
