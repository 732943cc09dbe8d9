import { join } from 'node:path';
import type { SandboxDriverName, SandboxedServer } from '../../src/contract/bundle.ts';
import type { SandboxDriver } from '../../src/contract/sandbox-driver.ts';
import { type Ready, startSandbox } from '../../src/runtime/sandboxing/start-sandbox.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';

const MIB = 1 << 20;
const used = new UpstreamFailure('isolation', 'used once');
const modules = join(import.meta.dirname, '../../node_modules');

/** The same echo tool, written as servers are. */
export const servers = {
  node: { root: 'tiny', command: ['node', 'server.mjs'], mounts: [] },
  sdk: { root: 'sdk', command: ['node', 'server.mjs'], mounts: [{ from: modules, to: '/node_modules', mode: 'ro' }] },
  python: { root: 'python', command: ['/usr/bin/python3', 'server.py'], mounts: [] },
} as const;

export type ServerName = keyof typeof servers;

export function serverNamed(name: ServerName, driver: SandboxDriverName): SandboxedServer {
  const { root, command, mounts } = servers[name];
  return {
    ...{ kind: 'sandboxed', name, driver, command, mounts, root: join(import.meta.dirname, root) },
    ...{ memory: 256 * MIB, deadline: 30_000, maxResult: 4 * MIB },
  };
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
