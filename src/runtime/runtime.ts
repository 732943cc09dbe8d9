import { totalmem } from 'node:os';
import type { RuntimeBundle, SandboxedServer } from '../contract/bundle.ts';
import type { EgressAttempt } from '../contract/egress.ts';
import type { SandboxDriver } from '../contract/sandbox-driver.ts';
import { type EgressDeps, type OpenWayOut, waysOut } from './egress/egress.ts';
import { serveLink } from './link-server.ts';
import { KeptSandboxes } from './sandboxing/kept-sandboxes.ts';
import { SandboxPool } from './sandboxing/pool.ts';
import { sandboxedUpstream } from './sandboxing/sandboxed-server.ts';
import { remoteUpstream } from './upstream/http.ts';
import type { Upstream } from './upstream/upstream.ts';

/** Largest `maxResult`, in bytes, that the link to the gateway carries. */
const MAX_RESULT = 32 * 1024 * 1024;

/** Two starts compute at once on two cores; half of the machine's memory may be promised to sandboxes. */
const LIMITS = { starts: 2, live: 32, memory: totalmem() / 2, idle: 16, queue: 2000, handshake: 10_000 };

/**
 * Starts zone 2: a pool of fresh sandboxes for each sandboxed server, clients for the remote ones, and the socket on
 * which gateways ask. Resolves when the socket is open; pools fill in the background. `close` resolves when every
 * sandbox is gone.
 * @throws when a server cannot be run as the bundle says (unknown driver, a plain http address, …)
 */
export async function startRuntime(deps: {
  bundle: RuntimeBundle;
  drivers: Readonly<Record<string, SandboxDriver>>;
  /** Milliseconds since the epoch. */
  now: () => number;
  log: (event: object) => void;
  /** Absent: no server may have a way out. */
  egress?: Omit<EgressDeps, 'now' | 'witness' | 'log'>;
}): Promise<{ close(): Promise<void> }> {
  const { bundle, drivers, now, log } = deps;
  const pool = new SandboxPool(LIMITS, log);
  const kept = new KeptSandboxes(pool, { now, setTimer }, log);
  const upstreams = new Map<string, Upstream>();
  const sandboxed: { server: SandboxedServer; driver: SandboxDriver; openWayOut: OpenWayOut | undefined }[] = [];
  const witness = (server: string, attempt: EgressAttempt) => link.witness(server, attempt);
  const egress = deps.egress && { ...deps.egress, now, witness, log };
  for (const server of bundle.servers) {
    if (server.maxResult > MAX_RESULT) throw new Error(`${server.name}: results of more than ${MAX_RESULT} bytes`);
    if (server.kind === 'remote') {
      upstreams.set(server.name, remoteUpstream(server, now));
      continue;
    }
    const driver = Object.hasOwn(drivers, server.driver) ? drivers[server.driver] : undefined;
    if (driver === undefined) throw new Error(`${server.name}: no sandbox driver ${server.driver}`);
    if (server.memory > LIMITS.memory) throw new Error(`${server.name}: more memory than half of the machine's`);
    upstreams.set(server.name, sandboxedUpstream(server, pool, kept, now));
    sandboxed.push({ server, driver, openWayOut: waysOut(server, egress) });
  }
  const link = await serveLink(bundle.socket, upstreams, log);
  for (const { server, driver, openWayOut } of sandboxed) pool.add(server, driver, now, openWayOut);
  return {
    async close() {
      await link.close();
      await Promise.all([pool.close(), ...[...upstreams.values()].map((upstream) => upstream.close())]);
    },
  };
}

function setTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}
