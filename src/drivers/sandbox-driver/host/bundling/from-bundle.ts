import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver } from '../../../../contract/sandbox-driver.ts';
import { output } from '../output.ts';
import type { Artefacts } from './artefacts.ts';
import { programs } from './bundling.ts';
import type { Place } from './place.ts';

/** Bytes of what V8 compiled, in base64, and files of it. */
const most = 64 << 20;
const mostFiles = 16;
/** Milliseconds for the one start that fills the cache. */
const patience = 30_000;

/** The server as it starts from its one module. @param module bytes that were compared with the pinned digest */
export async function fromBundle(
  driver: SandboxDriver,
  server: SandboxedServer,
  module: Uint8Array,
  place: Place,
  artefacts: Artefacts,
): Promise<SandboxedServer> {
  place.makeFolder('cache');
  place.makeFile(module, 'bundle.mjs');
  place.makeFile(readFileSync(join(programs.from, 'start.cjs')), 'start.cjs');
  const [, ...rest] = server.command;
  const command = ['node', `${place.mount.to}/start.cjs`, ...rest];
  const begun: SandboxedServer = { ...server, command, mounts: [...server.mounts, place.mount] };
  const of = ['compiled', server.start?.bundle, server.driver, command, process.version, process.arch];
  const known = artefacts.derived(of)?.toString('utf8');
  // Without it the start is only slower.
  const said = known ?? (await compiled(driver, begun).catch(() => undefined));
  if (said === undefined) return begun;
  if (known === undefined) artefacts.keepDerived(of, said);
  fill(place, said);
  return begun;
}

/**
 * Starts the bundle once, without network and before any caller: what V8 compiled, as warm.mjs prints it. It is no state
 * of the server: code alone, which V8 takes for this text, this version and these flags, else compiles itself.
 */
function compiled(driver: SandboxDriver, server: SandboxedServer): Promise<string> {
  const { name, root, memory } = server;
  const command = ['node', `${programs.to}/warm.mjs`, ...server.command.slice(1)];
  const profile = { name, command, root, mounts: [...server.mounts, programs], memory: 2 * memory, pids: 64 };
  return output(driver, profile, most, patience);
}

function fill(place: Place, said: string): void {
  const { directory, files } = JSON.parse(said) as Readonly<Record<'directory' | 'files', unknown>>;
  // The server could have printed this.
  if (typeof directory !== 'string' || !/^v[\w.-]{1,100}$/.test(directory) || !Array.isArray(files)) return;
  place.makeFolder('cache', directory);
  for (const [file, data] of files.slice(0, mostFiles))
    if (/^[0-9a-f]{1,16}$/.test(String(file)))
      place.makeFile(Buffer.from(String(data), 'base64'), 'cache', directory, String(file));
}
