import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount, SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver } from '../../../../contract/sandbox-driver.ts';
import { bundled, programs } from './bundling.ts';
import { output } from './output.ts';

/** Bytes of what V8 compiled, in base64, and files of it. */
const most = 64 << 20;
const mostFiles = 16;
/** Milliseconds for the one start that fills the cache. */
const patience = 30_000;

/** How a server is to be started now; `plain`: why from its files although it has a bundle. */
export interface Started {
  readonly server: SandboxedServer;
  readonly plain?: string;
}

/**
 * A server whose pins name a bundle, as the server that starts from it. The bundle is made anew from the pinned files,
 * and used only when it is byte for byte the one that was compared with them at `add`; what V8 compiles for it is kept
 * beside it. Both live as long as `directory`. Whatever goes wrong, the server starts from its files.
 * @param directory absolute, absent, in no folder that is forbidden to mounts
 */
export async function started(driver: SandboxDriver, server: SandboxedServer, directory: string): Promise<Started> {
  if (server.bundle === undefined) return { server };
  const made = await bundled(driver, server);
  if ('plain' in made) return { server, plain: made.plain };
  if (made.digest !== server.bundle)
    return { server, plain: `its bundle is ${made.digest} now, the lock pins ${server.bundle}` };
  const start: Mount = { from: directory, to: '/opt/innerkeep/start', mode: 'ro' };
  makeFolder(directory);
  makeFolder(join(directory, 'cache'));
  makeFile(join(directory, 'bundle.mjs'), made.code);
  makeFile(join(directory, 'start.cjs'), readFileSync(join(programs.from, 'start.cjs')));
  const [, ...rest] = server.command;
  const command = ['node', `${start.to}/start.cjs`, ...rest];
  const begun: SandboxedServer = { ...server, command, mounts: [...server.mounts, start] };
  // Without it the start is only slower.
  await fillCache(driver, begun, join(directory, 'cache')).catch(() => {});
  return { server: begun };
}

/**
 * Starts the bundle once, without network and before any caller, and keeps what V8 compiled. What is in there is no
 * state of the server: code alone, which V8 takes for this text, this version and these flags, else compiles itself.
 */
async function fillCache(driver: SandboxDriver, server: SandboxedServer, cache: string): Promise<void> {
  const { name, root, memory } = server;
  const command = ['node', `${programs.to}/warm.mjs`, ...server.command.slice(1)];
  const profile = { name, command, root, mounts: [...server.mounts, programs], memory: 2 * memory, pids: 64 };
  const { directory, files } = JSON.parse(await output(driver, profile, most, patience)) as Readonly<
    Record<'directory' | 'files', unknown>
  >;
  // The server could have printed this.
  if (typeof directory !== 'string' || !/^v[\w.-]{1,100}$/.test(directory) || !Array.isArray(files)) return;
  makeFolder(join(cache, directory));
  for (const [file, data] of files.slice(0, mostFiles))
    if (/^[0-9a-f]{1,16}$/.test(String(file)))
      makeFile(join(cache, directory, String(file)), Buffer.from(String(data), 'base64'));
}

/** The sandboxes' own user reads it, whatever our umask is. */
function makeFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}

function makeFile(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content);
  chmodSync(path, 0o644);
}
