import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SafetyError } from '../config/problem.ts';

/**
 * Claims the state directory for this process: two of them would write one audit chain. The claim of a process that is
 * gone counts for nothing. Gives the release.
 * @throws SafetyError when another one runs with it
 */
export function claimState(state: string): () => void {
  const folder = join(state, 'run');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'pid');
  for (;;) {
    try {
      writeFileSync(file, `${process.pid} ${startOf('self')}`, { flag: 'wx', mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const [pid = '', start = ''] = readFileSync(file, 'utf8').split(' ');
    if (startOf(pid) === start)
      throw new SafetyError(`innerkeep already runs with ${state} (process ${pid})`, 'stop it first');
    rmSync(file, { force: true });
  }
}

/** When a process began, so that a number that was given again is not taken for its predecessor. */
function startOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return 'gone';
  }
}
