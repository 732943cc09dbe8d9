import { lstatSync } from 'node:fs';
import type { Mount } from '../../../contract/bundle.ts';
import type { Sandbox, SandboxDriver } from '../../../contract/sandbox-driver.ts';
import { UnsafeMount } from './mount-rules.ts';

const memory = 64 * 1024 * 1024;

/**
 * Prints the place and what it lacks, for each mount that cannot be used as declared. What test(1) grants is tried: a
 * kernel of the sandbox's own answers it by what it sees, and the host has the last word.
 */
const tryAccess = `
reads() { [ -r "$1" ] || return; [ -d "$1" ] || : < "$1"; }
writes() {
  [ -w "$1" ] || return
  if [ -d "$1" ]; then mkdir "$1/.innerkeep-$$" && rmdir "$1/.innerkeep-$$"; else : >> "$1"; fi
}
while [ $# -gt 0 ]; do
  to=$1; mode=$2; shift 2
  (reads "$to") 2> /dev/null || echo "$to r"
  [ ! -d "$to" ] || [ -x "$to" ] || echo "$to x"
  [ "$mode" = ro ] || (writes "$to") 2> /dev/null || echo "$to w"
done`;

type Used = { readonly root: string; readonly mounts: readonly Mount[] };

/**
 * Tries, in a throw-away sandbox, whether a server could use its root and its mounts as declared.
 *
 * @throws UnsafeMount that names the mount and the command that mends it; other errors when no sandbox starts
 */
export async function checkMounts(driver: SandboxDriver, server: Used): Promise<void> {
  const places: readonly Mount[] = [{ from: server.root, to: '/srv', mode: 'ro' }, ...server.mounts];
  const command = ['/bin/sh', '-c', tryAccess, 'sh', ...places.flatMap(({ to, mode }) => [to, mode])];
  const sandbox = await start(driver, command, server).catch(async (error: unknown) => {
    throw (await unservable(driver, server)) ?? error;
  });
  let output = '';
  for await (const chunk of sandbox.stdout) output += Buffer.from(chunk).toString('utf8');
  const { code } = await sandbox.exited;
  for (const place of places) {
    const missing = ['r', 'w', 'x'].filter((right) => output.split('\n').includes(`${place.to} ${right}`)).join('');
    if (missing !== '') throw unusable(place, missing);
  }
  if (code !== 0) throw new Error(`the mounts could not be tried: ${sandbox.stderrTail().trim()}`);
}

function start(driver: SandboxDriver, command: readonly string[], { root, mounts }: Used): Promise<Sandbox> {
  return driver.start({ name: 'mounts', command, root, mounts, memory, pids: 16 });
}

/** The mount without which a sandbox starts: a driver that serves files itself ends at one that it cannot open. */
async function unservable(driver: SandboxDriver, { root, mounts }: Used): Promise<UnsafeMount | undefined> {
  for (const mount of mounts) {
    const others = mounts.filter((other) => other !== mount);
    const sandbox = await start(driver, ['/bin/true'], { root, mounts: others }).catch(() => undefined);
    if (sandbox === undefined) continue;
    await sandbox.exited;
    return unusable(mount, `r${mount.mode === 'rw' ? 'w' : ''}${lstatSync(mount.from).isDirectory() ? 'x' : ''}`);
  }
  return undefined;
}

function unusable({ from, to, mode }: Mount, missing: string): UnsafeMount {
  const who = process.getuid?.() === 0 ? 'o' : 'u';
  return new UnsafeMount(
    `the sandbox's user cannot use ${from} as ${mode} mount ${to}`,
    `chmod ${who}+${missing} ${from}`,
  );
}
