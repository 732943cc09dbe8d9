import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

interface Draft {
  readonly path: string;
  readonly text: string;
}

/** Permission bits of a new file. */
const USUAL = 0o644;

interface Staged {
  readonly path: string;
  readonly mode: number;
  readonly before: string | undefined;
  readonly temporary: string;
}

/**
 * Writes all of the files or none: each is complete and on disk beside its place before the first is moved there, and
 * when a move fails those before it are taken back.
 */
export function replaceFiles(drafts: readonly Draft[]): void {
  const staged: Staged[] = [];
  const moved: Staged[] = [];
  try {
    for (const { path: given, text } of drafts) {
      const { path, before, mode } = present(given);
      staged.push({ path, mode, before, temporary: stage(path, text, mode) });
    }
    for (const item of staged) {
      renameSync(item.temporary, item.path);
      moved.push(item);
    }
  } catch (error) {
    for (const { path, before, mode } of moved.reverse()) {
      if (before === undefined) rmSync(path, { force: true });
      else renameSync(stage(path, before, mode), path);
    }
    throw error;
  } finally {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
  }
}

/** Writes new files, all or none; an existing one is never touched. @throws EEXIST naming the path */
export function createFiles(drafts: readonly Draft[]): void {
  const staged: { readonly draft: Draft; readonly temporary: string }[] = [];
  const made: string[] = [];
  try {
    for (const draft of drafts) staged.push({ draft, temporary: stage(draft.path, draft.text, USUAL) });
    for (const { draft, temporary } of staged) {
      linkSync(temporary, draft.path);
      made.push(draft.path);
    }
  } catch (error) {
    for (const path of made) rmSync(path, { force: true });
    throw error;
  } finally {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
  }
}

function stage(path: string, text: string, mode: number): string {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const handle = openSync(temporary, 'wx', mode);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) rmSync(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** What stands there now: its text, its mode, and where a link leads. */
function present(path: string): { readonly path: string; readonly before: string | undefined; readonly mode: number } {
  try {
    const real = realpathSync(path);
    return { path: real, before: readFileSync(real, 'utf8'), mode: statSync(real).mode & 0o777 };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { path, before: undefined, mode: USUAL };
    throw error;
  }
}
