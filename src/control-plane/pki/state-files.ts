import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** The state on disk is not as it must be: refused for safety. The message names the path and the mend. */
export class StateError extends Error {
  readonly exitCode = 3;
}

/**
 * Makes sure that `path` is a directory of this user's that no other user may enter (mode 0700).
 * @throws StateError when it exists otherwise
 */
export function privateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  if (!found.isDirectory()) throw new StateError(`${path} is not a directory; move it away`);
  demandPrivate(path, found);
  return path;
}

/**
 * Makes sure that the state directory is this user's and that nobody else may write in it; a new one is mode 0700.
 * (It may be passed through: the sandboxes' own user reads the package store below it.)
 * @throws StateError when it exists otherwise
 */
export function stateDirectory(path: string): string {
  if (!existsSync(path)) make(path);
  const found = statSync(path);
  if (!found.isDirectory()) throw new StateError(`${path} is not a directory; name another with --state`);
  demandOwn(path, found);
  if ((found.mode & 0o022) !== 0) throw new StateError(`${path} can be changed by other users; chmod go-w ${path}`);
  return path;
}

function make(path: string): void {
  try {
    // Only what is missing: below /proc, `recursive` never comes back.
    mkdirSync(path, { recursive: !existsSync(dirname(path)), mode: 0o700 });
  } catch (error) {
    throw new StateError(`${path} cannot be made (${errorCode(error)}); name another with --state`);
  }
}

/** The text of a secret file, or undefined when there is none. @throws StateError when others may read it */
export function readSecret(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  if (!found.isFile()) throw new StateError(`${path} is not a regular file; move it away`);
  demandPrivate(path, found);
  return readFileSync(path, 'utf8');
}

/** Writes a file that did not exist, whole or not at all. @throws StateError when it exists */
export function writeNew(path: string, text: string, mode = 0o600): void {
  const temporary = writeBeside(path, text, mode);
  try {
    // Unlike rename, link fails when the name is taken.
    linkSync(temporary, path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw new StateError(`${path} exists already; it is never overwritten`);
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(path);
}

/** Replaces a file whole: a reader sees the old text or the new one. */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  renameSync(writeBeside(path, text, mode), path);
  syncDirectory(path);
}

function writeBeside(path: string, text: string, mode: number): string {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
  const file = openSync(temporary, 'wx', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return temporary;
}

function syncDirectory(path: string): void {
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function demandPrivate(path: string, found: { mode: number; uid: number }): void {
  demandOwn(path, found);
  if ((found.mode & 0o077) !== 0) throw new StateError(`${path} is open to other users; chmod go-rwx ${path}`);
}

function demandOwn(path: string, found: { uid: number }): void {
  if (process.getuid && found.uid !== process.getuid()) throw new StateError(`${path} belongs to another user`);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
