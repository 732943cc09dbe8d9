import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** O_CLOEXEC, which node's own constants leave out. */
const closeOnExec = 0o2000000;

/**
 * Whatever this process was born with beyond its standard streams would be handed on to every sandbox. Node opens its
 * own descriptors close-on-exec, and marks the low ones that it inherited; these are the others.
 */
export function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor > 2 && (flagsOf(descriptor) & closeOnExec) === 0) closeSync(descriptor);
  }
}

/** Of open(2); of a descriptor that is closed by now: those of one that need not be. */
function flagsOf(descriptor: number): number {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
    return Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '0', 8);
  } catch {
    return closeOnExec;
  }
}

/** A file that no other process finds; opening the path that is returned reads it from the beginning each time. */
export function anonymousFile(content: Uint8Array | string): string {
  return `/proc/self/fd/${openAnonymous(content)}`;
}

/** As `anonymousFile`; a descriptor at its beginning, which is the caller's to close. */
export function openAnonymous(content: Uint8Array | string): number {
  const directory = mkdtempSync(join(tmpdir(), 'innerkeep-'));
  try {
    const file = join(directory, 'file');
    writeFileSync(file, content, { mode: 0o400 });
    return openSync(file, 'r');
  } finally {
    rmSync(directory, { recursive: true });
  }
}
