// Takes node's start-up snapshots of servers in two parts, in a sandbox.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [script, blob, notes] = ['script.cjs', 'blob', 'notes'].map((name) => join('/tmp', name));

/**
 * @param code as two-parts.mjs makes it
 * @param command the server's entry and arguments
 * @returns `{ blob }`, its bytes; `{ against }`: what of the first part asks for what, as pairs; or `{ plain }`: why node takes none
 */
export function take(code, command) {
  const head = readFileSync(join(import.meta.dirname, 'evaluate.cjs'), 'utf8');
  writeFileSync(
    script,
    head.replace('/* PARTS */', () => code),
  );
  rmSync(notes, { force: true });
  const options = ['--snapshot-blob', blob, '--build-snapshot', script, notes];
  const { status, signal, stderr } = spawnSync(process.execPath, [...options, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status === 0) return { blob: readFileSync(blob) };
  try {
    return { against: JSON.parse(readFileSync(notes, 'utf8')) };
  } catch {
    return {
      plain: `node takes no snapshot (${signal ?? status}): ${stderr.trim().split('\n').slice(0, 6).join(' ')}`,
    };
  }
}
