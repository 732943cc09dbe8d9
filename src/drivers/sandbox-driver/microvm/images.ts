import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { cache } from './guest-image.ts';

const run = promisify(execFile);
const unprivileged = 65534;
/** Milliseconds after which an image that nobody asked for is given up. */
const kept = 14 * 24 * 3600 * 1000;

/**
 * A read-only image (erofs) of a directory of the host, or of a directory with this one file, made once for what is in
 * it. As an ordinary user, whose files the sandbox's user has to read as its own, all files are that user's.
 */
export async function imageOf(source: string): Promise<string> {
  const folder = join(cache, 'images');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const image = join(folder, `${fingerprint(source)}.erofs`);
  if (existsSync(image)) {
    utimesSync(image, new Date(), new Date());
    return image;
  }
  prune(folder);
  const making = `${image}.${process.pid}.${process.hrtime.bigint()}`;
  const owner = process.getuid?.() === 0 ? [] : [`--force-uid=${unprivileged}`, `--force-gid=${unprivileged}`];
  const alone = `${making}.alone`;
  try {
    let directory = source;
    if (!lstatSync(source).isDirectory()) {
      directory = alone;
      mkdirSync(alone);
      chmodSync(alone, 0o755);
      copyFileSync(source, join(alone, basename(source)));
    }
    await run('mkfs.erofs', ['--quiet', ...owner, making, directory], {
      env: { PATH: '/usr/bin:/usr/sbin:/usr/local/bin' },
    });
    chmodSync(making, 0o444);
    renameSync(making, image);
    return image;
  } finally {
    rmSync(making, { force: true });
    rmSync(alone, { recursive: true, force: true });
  }
}

/** Entries of a tree that can be looked through at each start for a millisecond or so. */
const small = 500;
/** Fingerprints of large trees, which are looked through once, and again when another has taken their place. */
const large = new Map<string, { readonly identity: string; readonly fingerprint: string }>();

/** Changes with whatever a copy of it would show; inside of a large tree, what changes is seen by the next process. */
function fingerprint(source: string): string {
  const identity = identityOf(source);
  const known = large.get(source);
  if (known?.identity === identity) return known.fingerprint;
  const names = lstatSync(source).isDirectory()
    ? readdirSync(source, { recursive: true, encoding: 'utf8' }).sort()
    : [];
  const digest = createHash('sha256').update(process.getuid?.() === 0 ? 'root' : 'user');
  digest.update(basename(source));
  for (const name of ['', ...names])
    digest.update(`${name}\0${identityOf(name === '' ? source : join(source, name))}\0`);
  const found = digest.digest('hex');
  if (names.length > small) large.set(source, { identity, fingerprint: found });
  return found;
}

function identityOf(path: string): string {
  const { dev, ino, mode, uid, gid, size, ctimeNs } = lstatSync(path, { bigint: true });
  return [dev, ino, mode, uid, gid, size, ctimeNs].join(' ');
}

function prune(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > kept) rmSync(path, { force: true });
  }
}
