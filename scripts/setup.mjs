// Brings what a fresh clone lacks: the locked npm packages (Node 24 among them) and bubblewrap. Plain JavaScript,
// because it runs on whatever Node ≥ 20 the machine has. Idempotent; prints nothing when nothing is missing.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = join(home, 'package-lock.json');
const stamp = join(home, 'node_modules', '.innerkeep-lock.json');

const major = Number(process.versions.node.split('.')[0]);
if (major < 20) fail(`Node ${process.versions.node} is too old: install Node 20 or later, then try again.`, 2);

if (!existsSync(stamp) || !readFileSync(stamp).equals(readFileSync(lock))) {
  say('installing the locked npm packages …');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: home });
  copyFileSync(lock, stamp);
}

if (process.platform === 'linux' && !onPath('bwrap')) {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'bubblewrap'];
  const become = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const allowed = onPath('apt-get') && (become.length === 0 || quiet([...become, 'true']));
  if (!allowed) {
    say('bubblewrap is missing and cannot be installed from here. Type: sudo apt-get install bubblewrap');
  } else {
    say('installing bubblewrap …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    if (!quiet([...become, ...install], env)) {
      quiet([...become, 'apt-get', 'update'], env);
      if (!quiet([...become, ...install], env)) say('that failed. Type: sudo apt-get install bubblewrap');
    }
  }
}

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`, 1);
}

function quiet([command, ...args], env = process.env) {
  return spawnSync(command, args, { stdio: 'ignore', env }).status === 0;
}

function onPath(name) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, name)));
}

function say(text) {
  process.stderr.write(`innerkeep: ${text}\n`);
}

function fail(text, code) {
  say(text);
  process.exit(code);
}
