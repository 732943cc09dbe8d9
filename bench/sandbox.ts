// What a sandbox costs: the same servers, started and called without one and in one, interleaved in one run.
//   ./scripts/node24 bench/sandbox.ts [--driver bubblewrap] [--server node,sdk,python] [--rounds 30] [--json]
import { execFileSync, spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import type { SandboxDriverName, SandboxedServer } from '../src/contract/bundle.ts';
import type { SandboxDriver } from '../src/contract/sandbox-driver.ts';
import { sandboxDrivers } from '../src/main/sandbox-drivers.ts';
import { SandboxPool } from '../src/runtime/sandboxing/pool.ts';
import { plainDriver } from '../test/runtime/plain-driver.ts';
import { childrenBytes, cpuMeter } from './support/cpu-group.ts';
import { echo, end, faster, fresh, type ServerName, serverNamed, servers } from './support/fresh.ts';

const { values: asked } = parseArgs({
  options: {
    driver: { type: 'string', default: 'bubblewrap' },
    server: { type: 'string', default: Object.keys(servers).join() },
    rounds: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
  },
});

// Root's sandboxes need a mount namespace that is not the machine's, as the runtime zone has.
if (process.getuid?.() === 0 && process.env.OWN_MOUNTS === undefined) {
  const again = [process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', ['--mount', '--propagation', 'private', ...again], {
    stdio: 'inherit',
    env: { ...process.env, OWN_MOUNTS: 'yes' },
  });
  process.exit(status ?? 1);
}

const CALLS = 20;
const PARALLEL = 4;
const IDLE = 8;
const rounds = Number(asked.rounds);
const make = sandboxDrivers[asked.driver as SandboxDriverName];
if (make === undefined) throw new Error(`no driver ${asked.driver}`);
const cpu = cpuMeter();
const none = plainDriver();
const boxes = make({ node: process.execPath, forbidden: [] });

/** A server and what it is started in; the first is a mere process. */
interface Way {
  readonly sandbox: string;
  readonly driver: SandboxDriver;
  readonly server: SandboxedServer;
}

async function waysOf(name: ServerName): Promise<readonly Way[]> {
  const server = serverNamed(name, asked.driver as SandboxDriverName);
  const ways = [
    { sandbox: 'none', driver: none, server },
    { sandbox: asked.driver, driver: boxes, server },
  ];
  if (name !== 'sdk' || asked.driver.startsWith('microvm')) return ways;
  for (const kind of ['bundle', 'snapshot'] as const)
    ways.push({ sandbox: `${asked.driver}, ${kind}`, driver: boxes, server: await faster(server, boxes, kind) });
  return ways;
}

interface Samples {
  readonly cold: number[];
  readonly cpu: number[];
  readonly first: number[];
  readonly later: number[];
}

/** One sandbox from its start to its end. */
async function once(server: SandboxedServer, driver: SandboxDriver, samples: Samples): Promise<void> {
  const [cpuBefore, before] = [cpu(), performance.now()];
  const ready = await fresh(server, driver);
  samples.cold.push(performance.now() - before);
  await end(ready);
  samples.cpu.push(cpu() - cpuBefore);
  const pooled = await fresh(server, driver);
  for (let call = 0; call < CALLS; call++) {
    const begun = performance.now();
    await echo(pooled, `call ${call}`);
    (call === 0 ? samples.first : samples.later).push(performance.now() - begun);
  }
  await end(pooled);
}

/** Fresh sandboxes a second, each started, called once and gone again. */
async function throughput(server: SandboxedServer, driver: SandboxDriver): Promise<number> {
  const [begun, until] = [performance.now(), performance.now() + Number(asked.seconds) * 1000];
  let count = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      const ready = await fresh(server, driver);
      await echo(ready, 'once');
      await end(ready);
      count++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return (count / (performance.now() - begun)) * 1000;
}

async function idleBytes(server: SandboxedServer, driver: SandboxDriver): Promise<number> {
  const before = childrenBytes();
  const ready = [];
  for (let n = 0; n < IDLE; n++) ready.push(await fresh(server, driver));
  const bytes = (childrenBytes() - before) / IDLE;
  await Promise.all(ready.map(end));
  return bytes;
}

/** Five times as many calls at once as sandboxes are ready. @throws when one is lost, or served out of its turn */
async function burst(server: SandboxedServer, driver: SandboxDriver) {
  const pool = new SandboxPool(
    { starts: 2, live: 32, memory: totalmem() / 2, idle: 16, queue: 2000, handshake: 60_000 },
    (event) => console.error(event),
  );
  pool.add(server, driver, Date.now);
  while (pool.state.idle < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  const calls = pool.state.idle * 5;
  const begun = performance.now();
  const served: number[] = [];
  const times = await Promise.all(
    Array.from({ length: calls }, async (_, call) => {
      const ready = await pool.acquire(server.name, new AbortController().signal);
      served.push(call);
      await echo(ready, `burst ${call}`);
      const time = performance.now() - begun;
      await end(ready);
      return time;
    }),
  );
  await pool.close();
  if (served.some((call, turn) => call !== turn)) throw new Error(`served out of order: ${served}`);
  return { calls, first_ms: round(times[0]), last_ms: round(Math.max(...times)) };
}

const rows = [];
const ratios: Record<string, unknown> = {};
const empty = (): Samples => ({ cold: [], cpu: [], first: [], later: [] });
for (const name of asked.server.split(',') as ServerName[]) {
  const ways = await waysOf(name);
  const samples = ways.map(empty);
  for (let turn = 0; turn < rounds + 2; turn++)
    for (const [index, { server, driver }] of ways.entries())
      await once(server, driver, (turn < 2 ? undefined : samples[index]) ?? empty());
  const measured = [];
  for (const [index, { sandbox, server, driver }] of ways.entries()) {
    const { cold, cpu, first, later } = samples[index] ?? empty();
    measured.push({
      ...{ server: name, sandbox, cold_ms: quantile(cold, 0.5), cpu_ms: quantile(cpu, 0.5) },
      ...{ cpu_ms_least: quantile(cpu, 0), first_call_ms: quantile(first, 0.5), later_call_ms: quantile(later, 0.5) },
      per_second: round(await throughput(server, driver)),
      idle_mib: round((await idleBytes(server, driver)) / 2 ** 20),
    });
  }
  rows.push(...measured);
  const [mere, ...boxed] = measured as [(typeof measured)[number], ...typeof measured];
  for (const one of boxed)
    ratios[`${name}, ${one.sandbox}`] = {
      cpu: round(one.cpu_ms / mere.cpu_ms),
      cpu_least: round(one.cpu_ms_least / mere.cpu_ms_least),
      first_call_added_ms: round(one.first_call_ms - mere.first_call_ms),
      later_call_added_ms: round(one.later_call_ms - mere.later_call_ms),
    };
  const [, { server, driver }] = ways as [Way, Way];
  ratios[`${name}, burst`] = await burst(server, driver);
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' });
if (asked.json) console.log(JSON.stringify({ rows, ratios, commit: commit.trim(), date: new Date().toISOString() }));
else {
  console.table(rows);
  console.log(ratios);
  console.log(
    `commit ${commit.trim()}, ${new Date().toISOString()}; median of ${rounds}, per second at ${PARALLEL} at once`,
  );
}
process.exit(0);

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]);
}

function round(value = Number.NaN): number {
  return Math.round(value * 100) / 100;
}
