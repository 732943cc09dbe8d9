// What limits, budgets and breakers cost: the stage and its settlement for one call, on memory and on a Redis of its own, and the
// memory of a million subjects. Prints one line each.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { levelKey, type Watch } from '../src/contract/breaker.ts';
import type { Demand } from '../src/contract/limits.ts';
import type { StateStore } from '../src/contract/state-store.ts';
import { TokenBuckets } from '../src/contract/token-buckets.ts';
import { memoryStore } from '../src/drivers/state-store/memory.ts';
import { openRedisStore } from '../src/drivers/state-store/redis.ts';

const SUBJECTS = 1_000_000;
const CALLS = 100_000;
const ROUND_TRIPS = 3000;

/** A call with everything: subject, tenant and tool, their breakers, and six budgets. */
function demand(id: number): Demand & { readonly reserve: NonNullable<Demand['reserve']>; readonly watch: Watch } {
  const bucket = (key: string) => ({ key, interval: 1e-3, burst: 1e6 });
  const subject = id % 1000;
  const budgets = ['tool', `subject ${subject}`, 'tenant'].flatMap((whose) =>
    ['2026-11-29', '2026-11'].map((period) => ({ key: `${whose} ${period}`, limit: 1e15, ttl: 86_400_000 })),
  );
  const watch = {
    id: `${id}`,
    levels: [
      { key: levelKey('tool'), party: 'tenant' },
      { key: levelKey('tool', { tenant: 'tenant' }), party: `${subject}` },
      { key: levelKey('tool', { tenant: 'tenant', subject: `${subject}` }) },
    ],
  };
  return {
    watch,
    own: bucket(`subject ${subject}`),
    shared: bucket('tenant'),
    further: [bucket('tool')],
    reserve: { id: `${id}`, amount: 1000, budgets },
  };
}

/** Microseconds for each call, one after the other. */
async function perCall(store: StateStore, calls: number): Promise<number> {
  const began = performance.now();
  for (let id = 0; id < calls; id++) {
    const asked = demand(id);
    const { kind } = await store.take(asked);
    if (kind !== 'taken') throw new Error(`refused: ${kind}`);
    await store.settle({ ...asked.reserve, actual: 900 });
    await store.observe(asked.watch, { slow: false, fault: Math.floor(id / 1000) % 100 === id % 100 });
  }
  return ((performance.now() - began) * 1000) / calls;
}

/** Commands that the server has been sent. */
async function commands(redis: Redis): Promise<number> {
  const sent = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'));
  return Number(sent?.[1] ?? 0);
}

const memory = memoryStore(Date.now);
await perCall(memory, CALLS);
console.log(
  `memory: take, settle and observe with 3 buckets, 6 budgets and 3 breakers: ${(await perCall(memory, CALLS)).toFixed(1)} µs a call`,
);

const buckets = new TokenBuckets();
global.gc?.();
const before = process.memoryUsage().rss;
for (let subject = 0; subject < SUBJECTS; subject++)
  buckets.take({ key: `["https://issuer.example","acme","subject-${subject}"]`, interval: 600_000, burst: 20 }, 1);
const mebibytes = (process.memoryUsage().rss - before) / 2 ** 20;
console.log(`memory: ${buckets.size} subjects: ${mebibytes.toFixed(0)} MiB`);

const free = createServer().listen(0, '127.0.0.1');
await once(free, 'listening');
const address = free.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;
free.close();
const server = spawn('redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  for await (const chunk of server.stdout) if (String(chunk).includes('Ready to accept connections')) break;
  server.stdout.resume();
  const url = `redis://127.0.0.1:${port}`;
  const [store, raw] = [
    await openRedisStore(url, { names: randomBytes(32).toString('base64url'), seals: () => [], fill: 0 }),
    new Redis(url),
  ];
  const began = performance.now();
  for (let ping = 0; ping < ROUND_TRIPS; ping++) await raw.ping();
  const ping = ((performance.now() - began) * 1000) / ROUND_TRIPS;
  const taking = performance.now();
  for (let id = 0; id < ROUND_TRIPS; id++) await store.take(demand(id));
  const take = ((performance.now() - taking) * 1000) / ROUND_TRIPS;
  const before = await commands(raw);
  for (let id = 0; id < ROUND_TRIPS; id++) await store.take(demand(ROUND_TRIPS + id));
  const trips = (await commands(raw)) - before;
  console.log(`redis: one round trip (PING) ${ping.toFixed(0)} µs; take ${take.toFixed(0)} µs`);
  console.log(`redis: ${(trips / ROUND_TRIPS).toFixed(2)} commands a take, the clock's ticks (4 a second) among them`);
  await store.close();
  raw.disconnect();
} finally {
  server.kill();
}
