import { statSync } from 'node:fs';

/** Milliseconds between two looks. */
const EVERY = 2000;

/**
 * Calls `changed` once one of the files is another than before, whether it was written, replaced or is reached by another
 * link now (as a secret that is mounted is renewed). Ends when what is given back is called.
 */
export function watchFiles(paths: readonly string[], changed: () => void, everyMs = EVERY): () => void {
  const look = (): string => paths.map(stamp).join('\n');
  let last = look();
  const timer = setInterval(() => {
    const next = look();
    if (next === last) return;
    last = next;
    changed();
  }, everyMs).unref();
  return () => clearInterval(timer);
}

function stamp(path: string): string {
  const { ino, mtimeMs, size } = statSync(path, { throwIfNoEntry: false }) ?? { ino: 0, mtimeMs: 0, size: 0 };
  return `${ino} ${mtimeMs} ${size}`;
}
