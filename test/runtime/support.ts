import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RuntimeServer, SandboxedServer } from '../../src/contract/bundle.ts';
import type { SandboxDriver } from '../../src/contract/sandbox-driver.ts';
import { RuntimeLink } from '../../src/gateway/execution/runtime-link.ts';
import { startRuntime } from '../../src/runtime/runtime.ts';
import { SandboxPool } from '../../src/runtime/sandboxing/pool.ts';
import { sandboxedUpstream } from '../../src/runtime/sandboxing/sandboxed-server.ts';
import type { Upstream } from '../../src/runtime/upstream/upstream.ts';
import { plainDriver } from './plain-driver.ts';

const SERVERS = join(import.meta.dirname, 'servers');

/** A sandboxed server that runs `servers/server.mjs` with these manners. */
export function stdioServer(manners: string, more: Partial<SandboxedServer> & { file?: string } = {}): SandboxedServer {
  const { file, ...settings } = more;
  const command = ['node', join(SERVERS, 'server.mjs'), manners, ...(file === undefined ? [] : [file])];
  const fixed = { kind: 'sandboxed', name: 'tool', driver: 'bubblewrap', root: SERVERS, mounts: [] } as const;
  return { ...fixed, command, memory: 64 << 20, deadline: 10_000, maxResult: 100_000, ...settings };
}

/** A runtime and a gateway's link to it, both gone when the test ends. */
export async function runtimeWith(
  t: TestContext,
  servers: readonly RuntimeServer[],
  driver: SandboxDriver = plainDriver(),
) {
  const directory = await mkdtemp(join(tmpdir(), 'innerkeep-'));
  const events: object[] = [];
  const bundle = { socket: join(directory, 'runtime.sock'), servers, node: process.execPath };
  const runtime = await startRuntime({
    bundle,
    drivers: { bubblewrap: driver },
    now: Date.now,
    log: (e) => events.push(e),
  });
  const link = new RuntimeLink(bundle.socket);
  t.after(async () => {
    link.close();
    await runtime.close();
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  });
  return { directory, bundle, runtime, link, events };
}

/** One tools/call; resolves with the result's first text. */
export async function callTool(
  link: RuntimeLink,
  { server = 'tool', subject = 'alice', echo = '', signal = new AbortController().signal, params = '' } = {},
): Promise<string> {
  const raw = params || JSON.stringify({ name: 'echo', arguments: { echo } });
  const result = await link.call({ server, method: 'tools/call', subject }, raw, signal);
  return JSON.parse(Buffer.from(result).toString()).content[0].text;
}

/** The same server without the link between. */
export function sandboxWith(t: TestContext, manners: string): Upstream {
  const roomy = { starts: 2, live: 4, memory: 2 ** 40, idle: 2, queue: 10, handshake: 5000 };
  const pool = new SandboxPool(roomy, () => {});
  t.after(() => pool.close());
  const server = stdioServer(manners);
  pool.add(server, plainDriver(), Date.now);
  return sandboxedUpstream(server, pool);
}
