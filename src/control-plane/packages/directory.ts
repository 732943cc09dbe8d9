import { cp, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { within } from '../config/paths.ts';
import { configError, SafetyError } from '../config/problem.ts';

/**
 * Copies a server's directory: links stay links (the store refuses those that leave), version control is left out.
 * @param state absolute path of the state directory, which must not be in it
 * @throws ConfigError when it is not a directory
 */
export async function copyDirectory(root: string, into: string, state: string): Promise<void> {
  const stats = await stat(root).catch(() => undefined);
  if (stats?.isDirectory() !== true)
    throw configError(root, 'the server directory is not there', 'name the directory that holds the server');
  if (within(state, root))
    throw new SafetyError(`${root} holds the state directory with its keys`, 'give the server a directory of its own');
  try {
    await cp(await realpath(root), into, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => basename(source) !== '.git',
    });
  } catch (error) {
    // Sockets, pipes and devices: the copy itself says what it met.
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_FS_CP_'))
      throw new SafetyError(error.message);
    throw error;
  }
}
