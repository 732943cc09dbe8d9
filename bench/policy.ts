// What a decision costs as policies and entities grow: `node bench/policy.ts`. Microseconds, of one thread.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { PinnedServer } from '../src/contract/descriptors.ts';
import type { PromptEngine, Question, RequestFacts } from '../src/contract/policy-engine.ts';
import { loadCedarAside } from '../src/drivers/policy-engine/cedar/load-aside.ts';
import { measureOpa } from './support/opa.ts';

const [TOOLS, TENANTS, GROUPS, USERS] = [50, 20, 10, 100_000];
const inputSchema = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] };
const files: PinnedServer = {
  name: 'files',
  protocolVersion: '2025-11-25',
  capabilities: {},
  serverInfo: {},
  tools: Array.from({ length: TOOLS }, (_, n) => ({
    name: `t${n}`,
    raw: JSON.stringify({ name: `t${n}`, inputSchema }),
    digest: '',
  })),
  prompts: [],
  resourceTemplates: [],
};

/** A policy for each tool, tenant and group in turn; `narrow`: all about one tool, one tenant and one group. */
function policies(count: number, narrow: boolean): string {
  return Array.from({ length: count }, (_, n) => {
    const [tool, tenant, group] = narrow
      ? [0, 0, 0]
      : [n % TOOLS, Math.floor(n / TOOLS) % TENANTS, Math.floor(n / TOOLS / TENANTS) % GROUPS];
    const scope = `principal in Group::"g${tenant}-${group}", action == Action::"files/t${tool}", resource == Tenant::"t${tenant}"`;
    return `permit (${scope}) when { context.args.path like "/data/${narrow ? n : ''}*" };`;
  }).join('\n');
}

/** Each user is in two of the ten groups of one tenant, and no token says so. */
const tuples = Array.from({ length: USERS }, (_, n) =>
  [n, n * 7 + 3].map((at) => `Group:g${n % TENANTS}-${Math.floor(at / TENANTS) % GROUPS}#member@User:u${n}`),
)
  .flat()
  .join('\n');

let drawn = 1;
/** The same numbers in each run (Park and Miller 1988). */
function draw(below: number): number {
  drawn = (drawn * 48_271) % 2_147_483_647;
  return drawn % below;
}

const FACTS: RequestFacts = {
  ...{ hour: 12, weekday: 1, mfa_age_s: undefined, ip_risk: undefined, device: undefined },
  tool: { reads: [], writes: [], step_up: false },
  session: { reads: [], writes: [], calls: {}, approved: [] },
};

/** Is a permit's scope true of it? What no permit is about is denied without asking Cedar, and would be counted for nothing. */
function isAbout(user: number, tool: number, count: number): boolean {
  const tenant = user % TENANTS;
  return [user, user * 7 + 3].some(
    (at) => tool + TOOLS * (tenant + TENANTS * (Math.floor(at / TENANTS) % GROUPS)) < count,
  );
}

function ask(user: number, tool: number, path: string): Question {
  const tenant = `t${user % TENANTS}`;
  return {
    subject: { id: `u${user}`, kind: 'User', tenant, groups: ['staff'], acr: undefined },
    action: `files/t${tool}`,
    tenant,
    arguments: { path },
    context: FACTS,
  };
}

function timed(times: number, run: (turn: number) => void): readonly number[] {
  const samples: number[] = [];
  for (let turn = 0; turn < times; turn++) {
    const before = process.hrtime.bigint();
    run(turn);
    samples.push(Number(process.hrtime.bigint() - before) / 1000);
  }
  return samples.sort((a, b) => a - b);
}

const p = (samples: readonly number[], share: number): string =>
  (samples[Math.floor(samples.length * share)] ?? Number.NaN).toFixed(1).padStart(8);

function measure(name: string, engine: PromptEngine, count: number, users: number, tools: number, times = 5000): void {
  const anyone = (turn: number) => {
    let [user, tool] = [draw(users), draw(tools)];
    while (users > 1 && !isAbout(user, tool, count)) [user, tool] = [draw(users), draw(tools)];
    return ask(user, tool, `/data/0/${turn}`);
  };
  // Drawn before: what is measured is the decision.
  const drawn = Array.from({ length: 8 * times }, (_, turn) => anyone(turn));
  const asked = (from: number, many: number) => timed(many, (turn) => engine.decide(drawn[from + turn] as Question));
  const first = asked(0, times / 10);
  asked(times / 10, 6 * times);
  const uncached = asked(7 * times, times);
  const one = ask(0, 0, '/data/0/again');
  const cached = timed(times, () => engine.decide(one));
  const { arguments: _, ...facts } = one;
  const visible = timed(times, () => engine.visible(facts));
  console.log(
    `${name.padEnd(24)}${p(first, 0.5)}${p(uncached, 0.5)}${p(uncached, 0.99)}${p(cached, 0.5)}${p(visible, 0.5)}`,
  );
}

console.log(
  `${USERS} entities in ${2 * USERS} tuples; anyone asks for any tool that a permit lets him call, each time for another path`,
);
console.log('policies                   first  uncached   p99   cached visible   (us; p50 but for p99)');
for (const [count, narrow] of [[10], [1000], [10_000], [1000, true]] as const) {
  const sources = [
    { file: 'bench.cedar', text: policies(count, narrow === true) },
    { file: 'bench.tuples', text: tuples },
  ];
  const before = performance.now();
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  stalls.enable();
  const { engine, problems } = await loadCedarAside(sources, {
    servers: [{ pins: files }],
    facts: { ip_risk: false, device: false },
  });
  stalls.disable();
  if (problems.length > 0) throw new Error(JSON.stringify(problems[0]));
  const seconds = ((performance.now() - before) / 1000).toFixed(1);
  const load = `loaded in ${seconds} s, in which nothing waited longer than ${(stalls.max / 1e6).toFixed(0)} ms`;
  if (narrow) measure('1000, all of one scope', engine, count, 1, 1, 1000);
  else measure(String(count), engine, count, USERS, Math.min(TOOLS, count));
  console.log(`  ${load}`);
}

await measureOpa(files, (turn, path) => ask(turn % USERS, draw(TOOLS), path));
