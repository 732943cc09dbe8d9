import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Mount, SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver, SandboxProfile } from '../../../../contract/sandbox-driver.ts';
import { output } from './output.ts';

const MIB = 1 << 20;
/** Bytes of a bundle, with what JSON makes of them. */
const most = 64 * MIB;
/** Milliseconds for one bundle. */
const patience = 60_000;

/** Where our programs lie in the sandbox. */
export const programs: Mount = {
  from: join(import.meta.dirname, 'inside'),
  to: '/opt/innerkeep/programs',
  mode: 'ro',
};

/** A server's entry and all that it loads as one module, or why it is started from its files. */
export type Bundled = { readonly code: string; readonly digest: string } | { readonly plain: string };

/**
 * Makes one module of a node server, in a sandbox without network: what the bundler reads is the server's, and nothing
 * of the host is there to be read. The same files and the same bundler make the same bytes.
 * Never rejects: what stands against it is returned.
 */
export async function bundled(driver: SandboxDriver, server: SandboxedServer): Promise<Bundled> {
  const [program, entry = ''] = server.command;
  if (program !== 'node' || entry === '' || entry.startsWith('-'))
    return { plain: 'its command is not node with a file' };
  if (server.driver !== 'bubblewrap' && server.driver !== 'gvisor') return { plain: `not in a ${server.driver}` };
  try {
    const { root } = server;
    const said = JSON.parse(await output(driver, bundler(entry, root), most, patience)) as Partial<
      Record<'code' | 'plain', unknown>
    >;
    const { code } = said;
    if (typeof code !== 'string') return { plain: String(said.plain).slice(0, 300) };
    return { code, digest: `sha256-${createHash('sha256').update(code).digest('hex')}` };
  } catch (error) {
    return { plain: `it could not be bundled: ${error instanceof Error ? error.message : error}`.slice(0, 300) };
  }
}

function bundler(entry: string, root: string): SandboxProfile {
  const { resolve } = createRequire(import.meta.url);
  const library = realpathSync(resolve('esbuild'));
  const binary = realpathSync(createRequire(library).resolve(`@esbuild/linux-${process.arch}/bin/esbuild`));
  const [at, binaryAt] = ['/opt/innerkeep/esbuild', '/opt/innerkeep/esbuild-binary'];
  return {
    name: 'bundler',
    command: ['node', `${programs.to}/bundle.mjs`, `${at}/main.js`, binaryAt, entry],
    root,
    mounts: [programs, { from: dirname(library), to: at, mode: 'ro' }, { from: binary, to: binaryAt, mode: 'ro' }],
    memory: 1024 * MIB,
    pids: 64,
  };
}
