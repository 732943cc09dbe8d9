// What the path costs: direct, a bare Node TLS proxy, innerkeep to an HTTP upstream, innerkeep to a sandboxed stdio
// upstream; interleaved in one run, so that a noisy machine is noisy for all of them. `--json` for machines.
import { cpuMs, zones } from './support/cpu.ts';
import { load, type Target } from './support/raw-client.ts';
import { setting } from './support/setting.ts';

interface Series {
  readonly name: string;
  readonly target: Target;
  readonly concurrency: number;
  readonly calls: number;
  /** Whose CPU counts; empty: nobody stands between. */
  readonly pids: readonly number[];
  readonly times: number[];
  readonly cpu: number[];
  readonly rps: number[];
}

const ROUNDS = 9;
/** Calls before anything counts: both sides of a ratio are measured as they run in their second minute, not their first. */
const WARM_UP = 6000;
const { targets, product, proxyPid, close } = await setting();
const ours = zones(product.pid);
const series = (name: string, target: Target, concurrency: number, calls: number, pids: readonly number[]): Series => ({
  ...{ name, target, concurrency, calls, pids },
  ...{ times: [], cpu: [], rps: [] },
});
const all = [1, 16].flatMap((concurrency) => [
  series('direct', targets.direct, concurrency, 1000, []),
  series('bare TLS proxy', targets.proxy, concurrency, 1000, [proxyPid]),
  series('innerkeep to HTTP', targets.http, concurrency, 1000, ours),
  series('innerkeep to a sandbox', targets.sandboxed, concurrency === 1 ? 1 : 4, 20, ours),
]);

try {
  for (const one of all) await load(one.target, one.concurrency, one.calls < 1000 ? one.calls : WARM_UP);
  for (let round = 0; round < ROUNDS; round++) for (const one of all) await measure(one);
} finally {
  await close();
}

const rows = all.map(({ name, concurrency, times, cpu, rps }) => ({
  name,
  concurrency,
  rps: Math.round(quantile(rps, 0.5)),
  p50_ms: round(quantile(times, 0.5)),
  p99_ms: round(quantile(times, 0.99)),
  cpu_ms_per_call: round(quantile(cpu, 0.5)),
}));
const cpuOf = (name: string, concurrency: number): number =>
  rows.find((row) => row.name === name && row.concurrency === concurrency)?.cpu_ms_per_call ?? Number.NaN;
const ratios = {
  cpu_http_to_bare_proxy_c1: round(cpuOf('innerkeep to HTTP', 1) / cpuOf('bare TLS proxy', 1)),
  cpu_http_to_bare_proxy_c16: round(cpuOf('innerkeep to HTTP', 16) / cpuOf('bare TLS proxy', 16)),
};
if (process.argv.includes('--json')) console.log(JSON.stringify({ rows, ratios }));
else {
  console.table(rows);
  console.table(ratios);
  console.log(
    'cpu_ms_per_call: all threads of what stands between client and upstream, sandboxes themselves excepted.',
  );
  console.log(
    'What a sandbox costs: ./scripts/node24 bench/sandbox.ts (docs/sandboxes.md), for one driver in a minute or two.',
  );
}

async function measure(one: Series): Promise<void> {
  const [cpuBefore, before] = [cpuMs(one.pids), performance.now()];
  const times = await load(one.target, one.concurrency, one.calls);
  const [cpuAfter, after] = [cpuMs(one.pids), performance.now()];
  one.times.push(...times);
  one.cpu.push((cpuAfter - cpuBefore) / one.calls);
  one.rps.push((one.calls / (after - before)) * 1000);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
