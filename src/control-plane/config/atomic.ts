import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface Draft {
  readonly path: string;
  readonly text: string;
  /** Permission bits of the file. */
  readonly mode?: number;
}

/**
 * Writes all of the files or none: each is complete and on disk beside its place before the first is moved there, and
 * when a move fails those before it are taken back.
 */
export function replaceFiles(drafts: readonly Draft[]): void {
  const staged: { readonly draft: Draft; readonly temporary: string; readonly before: string | undefined }[] = [];
  const moved: typeof staged = [];
  try {
    for (const draft of drafts) {
      const { path, before, mode } = present(draft);
      staged.push({ draft: { ...draft, path }, temporary: stage({ ...draft, path, ...mode }), before });
    }
    for (const item of staged) {
      renameSync(item.temporary, item.draft.path);
      moved.push(item);
    }
  } catch (error) {
    for (const { draft, before } of moved.reverse()) {
      if (before === undefined) rmSync(draft.path, { force: true });
      else renameSync(stage({ ...draft, text: before }), draft.path);
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
    for (const draft of drafts) staged.push({ draft, temporary: stage(draft) });
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

function stage({ path, text, mode = 0o644 }: Draft): string {
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
function present({ path }: Draft): {
  readonly path: string;
  readonly before: string | undefined;
  readonly mode: { readonly mode?: number };
} {
  try {
    const real = realpathSync(path);
    return { path: real, before: readFileSync(real, 'utf8'), mode: { mode: statSync(real).mode & 0o777 } };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { path, before: undefined, mode: {} };
    throw error;
  }
}
