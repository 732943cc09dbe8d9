import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Mount, SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver, SandboxProfile } from '../../../../contract/sandbox-driver.ts';
import { output } from '../output.ts';

const MIB = 1 << 20;
/** Bytes of both modules, with what JSON makes of them. */
const most = 128 * MIB;
/** Milliseconds for both. */
const patience = 60_000;

/** Where our programs lie in the sandbox. */
export const programs: Mount = {
  from: join(import.meta.dirname, 'inside'),
  to: '/opt/innerkeep/programs',
  mode: 'ro',
};

/** What a server could be started from, or why it is not. */
export type Made = { readonly code: string; readonly digest: string } | { readonly plain: string };

export interface Bundled {
  /** A server's entry and all that it loads as one module. */
  readonly bundle: Made;
  /** The same in two parts, of which the first, the libraries, may be evaluated before the start. */
  readonly snapshot: Made;
}

/**
 * Makes modules of a node server, in a sandbox without network: what the bundler reads is the server's, and nothing
 * of the host is there to be read. The same files and the same bundler make the same bytes.
 * Never rejects: what stands against it is returned.
 */
export async function bundled(driver: SandboxDriver, server: SandboxedServer): Promise<Bundled> {
  const [program, entry = ''] = server.command;
  if (program !== 'node' || entry === '' || entry.startsWith('-'))
    return neither('its command is not node with a file');
  if (server.driver !== 'bubblewrap' && server.driver !== 'gvisor') return neither(`not in a ${server.driver}`);
  try {
    const said = JSON.parse(await output(driver, bundler(server.command.slice(1), server.root), most, patience));
    return { bundle: made(said.bundle), snapshot: made(said.snapshot) };
  } catch (error) {
    return neither(`it could not be bundled: ${error instanceof Error ? error.message : error}`);
  }
}

/** As it stands in the lock. */
export function digestOf(content: string | Uint8Array): string {
  return `sha256-${createHash('sha256').update(content).digest('hex')}`;
}

function neither(plain: string): Bundled {
  return { bundle: made({ plain }), snapshot: made({ plain }) };
}

function made({ code, plain }: Readonly<Partial<Record<'code' | 'plain', unknown>>>): Made {
  return typeof code === 'string' ? { code, digest: digestOf(code) } : { plain: String(plain).slice(0, 300) };
}

function bundler(command: readonly string[], root: string): SandboxProfile {
  const { resolve } = createRequire(import.meta.url);
  const library = realpathSync(resolve('esbuild'));
  const binary = realpathSync(createRequire(library).resolve(`@esbuild/linux-${process.arch}/bin/esbuild`));
  const [at, binaryAt] = ['/opt/innerkeep/esbuild', '/opt/innerkeep/esbuild-binary'];
  return {
    name: 'bundler',
    command: ['node', `${programs.to}/bundle.mjs`, `${at}/main.js`, binaryAt, ...command],
    root,
    mounts: [programs, { from: dirname(library), to: at, mode: 'ro' }, { from: binary, to: binaryAt, mode: 'ro' }],
    memory: 1024 * MIB,
    pids: 64,
  };
}
