import type { Mount } from '../../../contract/bundle.ts';
import type { SandboxDriver } from '../../../contract/sandbox-driver.ts';
import { UnsafeMount } from './mount-rules.ts';

const memory = 64 * 1024 * 1024;

/** Prints the place and what it lacks, for each mount that cannot be used as declared. */
const tryAccess = `
while [ $# -gt 0 ]; do
  to=$1; mode=$2; shift 2
  [ -r "$to" ] || echo "$to r"
  [ ! -d "$to" ] || [ -x "$to" ] || echo "$to x"
  [ "$mode" = ro ] || [ -w "$to" ] || echo "$to w"
done`;

/**
 * Tries, in a throw-away sandbox, whether a server could use its root and its mounts as declared.
 *
 * @throws UnsafeMount that names the mount and the command that mends it; other errors when no sandbox starts
 */
export async function checkMounts(
  driver: SandboxDriver,
  server: { readonly root: string; readonly mounts: readonly Mount[] },
): Promise<void> {
  const places: readonly Mount[] = [{ from: server.root, to: '/srv', mode: 'ro' }, ...server.mounts];
  const command = ['/bin/sh', '-c', tryAccess, 'sh', ...places.flatMap(({ to, mode }) => [to, mode])];
  const sandbox = await driver.start({
    name: 'mounts',
    command,
    root: server.root,
    mounts: server.mounts,
    memory,
    pids: 16,
  });
  let output = '';
  for await (const chunk of sandbox.stdout) output += Buffer.from(chunk).toString('utf8');
  const { code } = await sandbox.exited;
  for (const { from, to, mode } of places) {
    const missing = ['r', 'w', 'x'].filter((right) => output.split('\n').includes(`${to} ${right}`)).join('');
    if (missing === '') continue;
    const who = process.getuid?.() === 0 ? 'o' : 'u';
    throw new UnsafeMount(
      `the sandbox's user cannot use ${from} as ${mode} mount ${to}`,
      `chmod ${who}+${missing} ${from}`,
    );
  }
  if (code !== 0) throw new Error(`the mounts could not be tried: ${sandbox.stderrTail().trim()}`);
}
