import { spawnSync } from 'node:child_process';
import { type Attempt, prelude, type Targets } from './attempt.ts';

/** A server that runs each tool on its standard input as a process of its own, and survives what it does. */
export const runner = `
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
process.on('SIGTERM', () => {});
const { prelude, tools, targets } = JSON.parse(readFileSync(0, 'utf8'));
for (const tool of tools) {
  const { stdout, stderr, signal } = spawnSync('perl', ['-', ...targets], { input: prelude + tool, encoding: 'utf8', timeout: 120_000 });
  console.log(JSON.stringify(stdout || 'died ' + signal + ' ' + stderr));
}
`;

/** What `runner` is given. */
export function orders(attempts: readonly Attempt[], targets: Targets): string {
  return JSON.stringify({ prelude, tools: attempts.map(({ tool }) => tool), targets: pairs(targets) });
}

/** The same tools without a sandbox, as the user that sandboxes run as. */
export function outside(attempt: Attempt, targets: Targets): string {
  const asUser =
    process.getuid?.() === 0 ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'] : [];
  const [command = '', ...args] = [...asUser, 'perl', '-', ...pairs(targets)];
  const { stdout, stderr } = spawnSync(command, args, { input: prelude + attempt.tool, encoding: 'utf8' });
  return stdout || stderr;
}

function pairs(targets: Targets): string[] {
  return Object.entries(targets).flatMap(([name, value]) => [name, String(value)]);
}
