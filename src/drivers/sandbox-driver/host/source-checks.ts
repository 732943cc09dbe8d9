import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { checkSource } from './mount-rules.ts';

/** Entries of a mount that can be looked through at each start for a millisecond or so. */
const smallSource = 500;

/**
 * A small source is looked through at every start; a large one once, and again when another has taken its place.
 *
 * @param forbidden host paths that no mount may show: the state directory
 * @returns throws UnsafeMount for a mount's source that no sandbox may see
 */
export function sourceChecks(forbidden: readonly string[]): (source: string) => void {
  const large = new Map<string, string>();
  const canonical = forbidden.map((path) => (existsSync(path) ? realpathSync(path) : path));
  return (source) => {
    const status = lstatSync(source, { throwIfNoEntry: false });
    const identity = `${status?.dev}:${status?.ino}`;
    if (large.get(source) === identity && realpathSync(source) === source) return;
    if (checkSource(source, canonical) > smallSource) large.set(source, identity);
  };
}
