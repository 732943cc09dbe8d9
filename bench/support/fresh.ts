import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxDriverName, SandboxedServer } from '../../src/contract/bundle.ts';
import type { SandboxDriver } from '../../src/contract/sandbox-driver.ts';
import { bundled, type Made } from '../../src/drivers/sandbox-driver/host/bundling/bundling.ts';
import { started } from '../../src/drivers/sandbox-driver/host/bundling/started.ts';
import { type Ready, startSandbox } from '../../src/runtime/sandboxing/start-sandbox.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';

const MIB = 1 << 20;
const used = new UpstreamFailure('isolation', 'used once');
const modules = join(import.meta.dirname, '../../node_modules');
const scratch = mkdtempSync(join(tmpdir(), 'innerkeep-bench-'));
chmodSync(scratch, 0o755);
process.once('exit', () => rmSync(scratch, { recursive: true }));

/** The same echo tool, written as servers are, with the packages that it needs. */
export const servers = {
  node: { root: 'tiny', command: ['node', 'server.mjs'], packages: [] },
  sdk: { root: 'sdk', command: ['node', 'server.mjs'], packages: ['@modelcontextprotocol/sdk', 'zod'] },
  python: { root: 'python', command: ['/usr/bin/python3', 'server.py'], packages: [] },
} as const;

export type ServerName = keyof typeof servers;

export function serverNamed(name: ServerName, driver: SandboxDriverName): SandboxedServer {
  const { command } = servers[name];
  return {
    ...{ kind: 'sandboxed', name, driver, command, mounts: [], root: installed(name) },
    ...{ memory: 256 * MIB, deadline: 30_000, maxResult: 4 * MIB },
  };
}

/** A server's files and packages, as they are after `add`; the sandbox's user reads them. */
function installed(name: ServerName): string {
  const { root, packages } = servers[name];
  const to = join(scratch, name);
  if (existsSync(to)) return to;
  cpSync(join(import.meta.dirname, root), to, { recursive: true });
  const install = (name: string): void => {
    const [from, at] = [join(modules, name), join(to, 'node_modules', name)];
    if (existsSync(at) || !existsSync(from)) return;
    cpSync(from, at, { recursive: true });
    for (const one of Object.keys(JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')).dependencies ?? {}))
      install(one);
  };
  for (const one of packages) install(one);
  return to;
}

/** The server as `up` starts it from its bundle or its snapshot. @throws why it does not */
export async function faster(server: SandboxedServer, driver: SandboxDriver, kind: 'bundle' | 'snapshot') {
  const made: Made = (await bundled(driver, server))[kind];
  if ('plain' in made) throw new Error(made.plain);
  const pinned = { ...server, start: { [kind]: made.digest } };
  const { server: begun, against } = await started(driver, pinned, join(scratch, 'start'), join(scratch, 'kept'));
  if (against.length > 0) throw new Error(against.join());
  return begun;
}

/** A sandbox that has done its handshake. */
export async function fresh(server: SandboxedServer, driver: SandboxDriver): Promise<Ready> {
  const observer = { opened: () => {}, greeted: () => {}, gone: () => {} };
  const started = await startSandbox(server, driver, 'legacy', 60_000, observer);
  if ('failure' in started) throw started.failure;
  return started;
}

export async function end({ session }: Ready): Promise<void> {
  session.fail(used);
  await session.sandbox.exited;
}

/** One call of the tool, which must give its text back. */
export async function echo({ session }: Ready, text: string): Promise<void> {
  const params = Buffer.from(JSON.stringify({ name: 'echo', arguments: { text } }));
  const { raw } = await session.request('tools/call', params, 'legacy');
  const said = JSON.parse(raw).content?.[0]?.text;
  if (said !== text) throw new Error(`asked ${text}, answered ${raw.slice(0, 200)}`);
}
