import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Every process of this machine that can be looked at. */
export function processes(): readonly Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(about);
}

/** A process and all that came of it. */
export function family(root: number): readonly Process[] {
  const all = processes();
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

/** Resolves when none of them is left; rejects, naming them, when some are there after two minutes. */
export async function gone(pids: readonly number[]): Promise<void> {
  const left = (): readonly Process[] => processes().filter(({ pid }) => pids.includes(pid));
  for (const end = Date.now() + 120_000; left().length > 0; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (Date.now() > end)
      throw new Error(
        `still there: ${left()
          .map(({ pid, command }) => `${pid} ${command}`)
          .join('; ')}`,
      );
  }
}

function about(pid: string): Process[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return [];
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '),
      },
    ];
  } catch {
    return [];
  }
}
