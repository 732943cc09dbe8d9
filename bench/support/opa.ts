import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { PinnedServer } from '../../src/contract/descriptors.ts';
import type { Question } from '../../src/contract/policy-engine.ts';
import { type LoadedRego, loadOpa } from '../../src/drivers/policy-engine/opa/load.ts';

const TIMES = 2000;

/** A policy for each tool and tenant, as many as there are names for. */
function policies(count: number): string {
  const rules = Array.from(
    { length: count },
    (_, n) => `permit contains "p${n}" if {
	input.principal.tenant == "t${n % 20}"
	input.action == "files/t${Math.floor(n / 20) % 50}"
	input.resource.tenant == "t${n % 20}"
	startswith(input.context.args.path, "/data/")
}`,
  );
  return ['package innerkeep', ...rules].join('\n');
}

/** What one decision of a real OPA over a unix socket costs: one at a time, and eight at once. */
export async function measureOpa(pins: PinnedServer, ask: (turn: number, path: string) => Question): Promise<void> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'innerkeep');
  const [program] = globSync('opa-*/opa', { cwd: cache }).sort().reverse();
  if (program === undefined) return void console.log('opa is not there; npm run servers brings it');
  const folder = mkdtempSync(join(tmpdir(), 'innerkeep-bench-'));
  const socket = join(folder, 'opa.sock');
  const args = ['run', '--server', '--addr', `unix://${socket}`, '--log-level', 'error', '--disable-telemetry'];
  const opa = spawn(join(cache, program), args, { stdio: 'ignore' });
  try {
    console.log('OPA                        p50      p99   of 8 at once  visible, new   (us)');
    for (const count of [10, 1000, 10_000]) {
      const loaded = await load(policies(count), pins, `unix:${socket}`);
      await judged(count, loaded, ask);
      await loaded.close();
    }
  } finally {
    const ended = once(opa, 'exit');
    opa.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  }
}

async function judged(count: number, { engine }: LoadedRego, ask: (turn: number, path: string) => Question) {
  const decide = async (turn: number) => {
    const before = performance.now();
    const { detail } = await engine.decide(ask(turn, `/data/0/${turn}`));
    if (detail.startsWith('policy engine')) throw new Error(detail);
    return (performance.now() - before) * 1000;
  };
  for (let turn = 0; turn < 200; turn++) await decide(turn);
  const alone: number[] = [];
  for (let turn = 0; turn < TIMES; turn++) alone.push(await decide(turn));
  const before = performance.now();
  const lanes = Array.from({ length: 8 }, async () => {
    for (let turn = 0; turn < TIMES / 8; turn++) await decide(turn);
  });
  await Promise.all(lanes);
  const each = ((performance.now() - before) * 1000) / TIMES;
  const lists: number[] = [];
  for (let turn = 0; turn < 200; turn++) {
    const from = performance.now();
    await engine.visible(ask(turn, ''));
    lists.push((performance.now() - from) * 1000);
  }
  const p = (samples: number[], share: number) =>
    (samples.toSorted((a, b) => a - b)[Math.floor(samples.length * share)] ?? Number.NaN).toFixed(0).padStart(9);
  console.log(
    `${String(count).padEnd(22)}${p(alone, 0.5)}${p(alone, 0.99)}${each.toFixed(0).padStart(15)}${p(lists, 0.5)}`,
  );
}

async function load(text: string, pins: PinnedServer, url: string): Promise<LoadedRego> {
  for (let turn = 0; ; turn++) {
    try {
      const world = { servers: [{ pins }], facts: { ip_risk: false, device: false } };
      const before = performance.now();
      const loaded = await loadOpa([{ file: 'bench.rego', text }], world, { url });
      if (loaded.problems.length > 0) throw new Error(JSON.stringify(loaded.problems[0]));
      console.log(`  loaded in ${((performance.now() - before) / 1000).toFixed(1)} s`);
      return loaded;
    } catch (error) {
      if (turn > 100 || !String(error).includes('sock')) throw error;
      await wait(100);
    }
  }
}
