// Makes what micro-VMs boot from Debian packages that are downloaded and unpacked, never installed: a kernel, an initial
// file system with our agent, and the read-only system image that is a server's /usr. Needs apt-get, dpkg, a C compiler
// and mkfs.erofs; no root. `src/drivers/sandbox-driver/microvm/guest-image.ts` finds the result.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const agent = join(home, 'src/drivers/sandbox-driver/microvm/guest');
const images = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'innerkeep', 'guest');
const image = join(
  images,
  digestOf(
    readdirSync(agent)
      .sort()
      .map((name) => join(agent, name)),
  ),
);
/** Of this script, whose lists of packages and modules are in the image too. */
const recipe = digestOf([fileURLToPath(import.meta.url)]);

/** Debian's cloud kernel has no 9p, which declared mounts need; this one has. */
const kernelPackage = 'linux-image-amd64';
const modules = ['virtio_mmio', 'virtio_blk', 'virtio_console', 'crc32c_generic', 'erofs', '9pnet_virtio', '9p'];
/** What servers find in /usr beside the node that is pinned: a shell, its tools, perl, curl, python and its usual clients. */
const systemPackages = [
  ...['base-files', 'bash', 'ca-certificates', 'coreutils', 'curl', 'dash', 'diffutils', 'findutils', 'grep', 'gzip'],
  ...['libstdc++6', 'mawk', 'mount', 'perl-base', 'procps', 'python3', 'sed', 'tar', 'util-linux', 'zlib1g'],
  ...['python3-httpx', 'python3-requests'],
];

export function guestImageIsThere() {
  const versions = join(image, 'versions.json');
  return existsSync(versions) && JSON.parse(readFileSync(versions, 'utf8')).recipe === recipe;
}

/** @returns nothing, or why it failed */
export function makeGuestImage() {
  mkdirSync(images, { recursive: true, mode: 0o700 });
  const work = mkdtempSync(join(images, 'making-'));
  try {
    const made = join(work, 'made');
    mkdirSync(made);
    const versions = make(work, made);
    writeFileSync(join(made, 'versions.json'), `${JSON.stringify({ recipe, ...versions }, null, 2)}\n`);
    for (const name of readdirSync(made)) chmodSync(join(made, name), 0o444);
    // What older agents are in is nobody's any more.
    for (const name of readdirSync(images)) {
      if (!name.startsWith('making-')) rmSync(join(images, name), { recursive: true, force: true });
    }
    renameSync(made, image);
    return undefined;
  } catch (error) {
    return error.message;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @returns the version of each package in it */
function make(work, made) {
  const kernel = download(work, 'kernel-packages', [newestKernel()]);
  const boot = join(kernel.tree, 'boot');
  const packed = readFileSync(
    join(
      boot,
      readdirSync(boot).find((name) => name.startsWith('vmlinuz-')),
    ),
  );
  writeFileSync(join(made, 'kernel'), unpackKernel(packed));
  initialFileSystem(work, kernel.tree, join(made, 'initramfs'));
  const system = download(work, 'system-packages', systemPackages);
  systemImage(work, system.tree, join(made, 'system.erofs'));
  return { ...kernel.versions, ...system.versions };
}

/** The package that the meta package stands for. */
function newestKernel() {
  const depends = output('apt-cache', ['depends', '--important', kernelPackage]);
  const [, name] = /Depends: (linux-image-\S+)/.exec(depends) ?? [];
  if (name === undefined) throw new Error(`${kernelPackage} is not to be had`);
  return name;
}

/** Fetches packages; with all that they depend on, as if nothing were installed, unless they are the kernel. */
function download(work, name, packages) {
  const archives = join(work, name);
  const tree = join(work, `${name}-tree`);
  mkdirSync(join(archives, 'partial'), { recursive: true });
  mkdirSync(tree);
  if (name === 'kernel-packages') {
    output('apt-get', ['-qq', 'download', ...packages], { cwd: archives });
  } else {
    writeFileSync(join(work, 'status'), '');
    output('apt-get', [
      ...['-qq', '--yes', '--download-only', '--no-install-recommends'],
      ...['-o', `Dir::State::status=${join(work, 'status')}`, '-o', `Dir::Cache::archives=${archives}`],
      ...['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User='],
      ...['install', ...packages],
    ]);
  }
  const versions = {};
  for (const file of readdirSync(archives).filter((found) => found.endsWith('.deb'))) {
    output('dpkg-deb', ['--extract', join(archives, file), tree]);
    const [packageName, version] = file.split('_');
    versions[packageName] = decodeURIComponent(version);
  }
  return { tree, versions };
}

/** A Debian kernel is an xz stream behind its own unpacker; QEMU starts what is in it (PVH). */
function unpackKernel(packed) {
  const start = packed.indexOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), 0x1000);
  // What follows the stream makes xz fail in the end, after all of it was written.
  const { stdout } = spawnSync('xz', ['-dc', '--single-stream'], {
    input: packed.subarray(start),
    maxBuffer: 1 << 28,
  });
  if (start < 0 || stdout.readUInt32BE(0) !== 0x7f454c46) throw new Error('the kernel cannot be unpacked');
  return stdout;
}

function initialFileSystem(work, kernelTree, archiveFile) {
  const root = join(work, 'initial');
  for (const place of ['dev', 'groups', 'modules', 'proc', 'root', 'sys'])
    mkdirSync(join(root, place), { recursive: true });
  const sources = readdirSync(agent).filter((name) => name.endsWith('.c'));
  const compiler = ['-Wall', '-Wextra', '-Werror', '-Os', '-static', '-s', '-o', join(root, 'init')];
  output('gcc', [...compiler, ...sources.map((name) => join(agent, name))]);
  const available = new Map(
    readdirSync(kernelTree, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ko'))
      .map((path) => [basename(path, '.ko').replaceAll('-', '_'), join(kernelTree, path)]),
  );
  inOrder(modules, available).forEach((name, index) => {
    copyFileSync(available.get(name), join(root, 'modules', `${String(index).padStart(2, '0')}-${name}.ko`));
  });
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const archive = spawnSync('cpio', ['--quiet', '--create', '--format=newc', '--owner=0:0'], {
    cwd: root,
    input: names.join('\n'),
    maxBuffer: 1 << 28,
  });
  if (archive.status !== 0) throw new Error(`cpio: ${archive.error?.message ?? archive.stderr}`);
  writeFileSync(archiveFile, archive.stdout);
}

/** Kernel modules with what they depend on in front of them, as their own `depends=` says. */
function inOrder(names, available, done = new Set()) {
  for (const name of names) {
    if (done.has(name)) continue;
    const text = readFileSync(available.get(name) ?? fail(`no kernel module ${name}`)).toString('latin1');
    const [, depends = ''] = /\0depends=([^\0]*)\0/.exec(text) ?? [];
    inOrder(depends.split(',').filter(Boolean), available, done);
    done.add(name);
  }
  return [...done];
}

/** /usr and the authorities' certificates; documents are left out, and what only root runs keeps no set-user-ID. */
function systemImage(work, tree, imageFile) {
  const root = join(work, 'system');
  for (const place of ['bin', 'sbin', 'lib', 'lib64']) {
    // Packages of Debian 12 still bring files below /bin and the like, which are links to /usr.
    const from = join(tree, place);
    if (existsSync(from)) cpSync(from, join(tree, 'usr', place), { recursive: true, verbatimSymlinks: true });
  }
  for (const bulk of ['doc', 'man', 'locale', 'info', 'lintian', 'bug'])
    rmSync(join(tree, 'usr/share', bulk), { recursive: true, force: true });
  if (!existsSync(join(tree, 'usr/bin/awk'))) symlinkSync('mawk', join(tree, 'usr/bin/awk'));
  compilePython(tree);
  output('chmod', ['-R', 'a+rX,go-w,u-s,g-s', join(tree, 'usr')]);
  renameSync(join(tree, 'usr'), root);
  output('mkfs.erofs', ['--quiet', '--all-root', '-T0', imageFile, root]);
}

/** As packages do it when they are installed, by the image's own python: an emulated processor takes seconds for it at each start. */
function compilePython(tree) {
  const libraries = join(tree, 'usr/lib');
  const machine = readdirSync(libraries).find((name) => name.endsWith('-linux-gnu'));
  const places = ['lib', `lib/${machine}`, 'usr/lib', `usr/lib/${machine}`].map((place) => join(tree, place));
  const loader = ['lib64', 'lib', 'usr/lib64', 'usr/lib']
    .flatMap((place) => [join(tree, place, 'ld-linux-x86-64.so.2'), join(tree, place, 'ld-linux-aarch64.so.1')])
    .find(existsSync);
  const python = join(tree, 'usr/bin/python3');
  const folders = readdirSync(libraries).filter((name) => name.startsWith('python3'));
  output(
    loader ?? fail('the image has no loader'),
    [
      ...['--library-path', places.join(':'), python, '-m', 'compileall', '-q', '-s', tree, '-p', '/'],
      // The image has no times of files.
      ...['--invalidation-mode', 'unchecked-hash', ...folders.map((name) => join(libraries, name))],
    ],
    { env: { PYTHONHOME: join(tree, 'usr'), PYTHONDONTWRITEBYTECODE: '1', PATH: '/usr/bin:/bin' } },
  );
}

function digestOf(files) {
  const digest = createHash('sha256');
  for (const file of files) digest.update(readFileSync(file));
  return digest.digest('hex').slice(0, 16);
}

function output(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status !== 0) fail(`${command}: ${error?.message ?? (stderr.trim().split('\n').at(-1) || `exit ${status}`)}`);
  return stdout;
}

function fail(why) {
  throw new Error(why);
}
