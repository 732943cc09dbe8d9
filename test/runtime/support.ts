import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RuntimeServer, SandboxedServer } from '../../src/contract/bundle.ts';
import type { SandboxDriver } from '../../src/contract/sandbox-driver.ts';
import type { RpcAnswer, UpstreamCall } from '../../src/contract/upstream.ts';
import { upstreamError } from '../../src/gateway/execution/refusals.ts';
import { RuntimeLink } from '../../src/gateway/execution/runtime-link.ts';
import { startRuntime } from '../../src/runtime/runtime.ts';
import { KeptSandboxes } from '../../src/runtime/sandboxing/kept-sandboxes.ts';
import { type PoolLimits, SandboxPool } from '../../src/runtime/sandboxing/pool.ts';
import { sandboxedUpstream } from '../../src/runtime/sandboxing/sandboxed-server.ts';
import { TestClock } from '../sessions/support.ts';
import { plainDriver } from './plain-driver.ts';

const SERVERS = join(import.meta.dirname, 'servers');

/** A sandboxed server that runs `servers/server.mjs`, or another `program`, with these manners. */
export function stdioServer(
  manners: string,
  more: Partial<SandboxedServer> & { file?: string; program?: string } = {},
): SandboxedServer {
  const { file, program = 'server.mjs', ...settings } = more;
  const command = ['node', join(SERVERS, program), manners, ...(file === undefined ? [] : [file])];
  const fixed = { kind: 'sandboxed', name: 'tool', driver: 'bubblewrap', root: SERVERS, mounts: [] } as const;
  return { ...fixed, command, memory: 64 << 20, deadline: 60_000, maxResult: 100_000, ...settings };
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

/** A call, with nobody behind it who could be told or asked anything. */
export function aCall(more: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    method: 'tools/call',
    params: Buffer.from('{"name":"echo"}'),
    subject: 'alice',
    session: undefined,
    capabilities: '{}',
    logLevel: undefined,
    headers: [],
    asTask: false,
    signal: new AbortController().signal,
    notify: () => {},
    ask: async () => ({ kind: 'error', raw: '{"code":-32601,"message":"Method not found"}' }),
    deferred: () => {},
    ...more,
  };
}

/** The first text of an answer that is a tool's result. */
export function textOf({ kind, raw }: RpcAnswer): string {
  if (kind === 'error') throw upstreamError('tools/call', raw, false);
  return JSON.parse(raw).content[0].text;
}

/** One tools/call; resolves with the result's first text. */
export async function callTool(
  link: RuntimeLink,
  { server = 'tool', subject = 'alice', echo = '', signal = new AbortController().signal, params = '' } = {},
): Promise<string> {
  const raw = params || JSON.stringify({ name: 'echo', arguments: { echo } });
  return textOf(await link.call(server, aCall({ subject, params: Buffer.from(raw), signal })));
}

/** The same server without the link between. */
export function sandboxWith(
  t: TestContext,
  server: SandboxedServer,
  limits: Partial<PoolLimits> = {},
  now: () => number = Date.now,
) {
  const roomy = { starts: 2, live: 32, memory: 2 ** 40, idle: 2, queue: 10, handshake: 60_000 };
  const pool = new SandboxPool({ ...roomy, ...limits }, () => {});
  const driver = plainDriver();
  const events: object[] = [];
  const clock = new TestClock();
  const kept = new KeptSandboxes(pool, clock, (event) => events.push(event));
  t.after(() => pool.close());
  pool.add(server, driver, Date.now);
  return { upstream: sandboxedUpstream(server, pool, kept, now), pool, driver, clock, events };
}
