// The ways in which components come. Each returns a reason where it failed, and nothing where it did not.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export function say(text) {
  process.stderr.write(`innerkeep: ${text}\n`);
}

export function onPath(name) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, name)));
}

/** Runs a command quietly. Returns its last words where it failed. */
export function run(command, args, options = {}) {
  const { status, stderr, error } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    ...options,
  });
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit ${status}`;
}

let updated = false;

/** Debian packages, of the suites that this machine has. */
export function apt(...packages) {
  if (!onPath('apt-get')) return 'no apt-get';
  const become = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const root = (...args) => {
    const [command, ...rest] = [...become, ...args];
    return run(command, rest, { env });
  };
  if (become.length > 0 && root('true') !== undefined) return `type: sudo apt-get install ${packages.join(' ')}`;
  if (!updated) root('apt-get', 'update', '-qq');
  updated = true;
  return root('apt-get', 'install', '-y', '--no-install-recommends', ...packages);
}
