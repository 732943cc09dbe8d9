import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The clone's root. */
export const home = join(import.meta.dirname, '../..');

/** Paths, relative to the clone, of the files that match; sorted. */
export function files(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: home, exclude: ['**/node_modules/**', '**/.innerkeep/**'] }).sort();
}

export function read(path: string): string {
  return readFileSync(join(home, path), 'utf8');
}
