/** Prints what a decision costs: `node bench/policy.ts`. Microseconds, of one thread; compare the ratios. */
import type { PinnedServer } from '../src/contract/descriptors.ts';
import type { Question } from '../src/contract/policy-engine.ts';
import { loadCedar } from '../src/drivers/policy-engine/cedar/load.ts';

const TOOLS = 50;
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

/** `spread`: over the tools and over ten tenants; else all about one tool of one tenant. */
function policies(count: number, spread: boolean): string {
  const one = (n: number) => {
    const tenant = spread ? n % 10 : 0;
    const tool = spread ? Math.floor(n / 10) % TOOLS : 0;
    return `permit (principal in Tenant::"acme${tenant}", action == Action::"files/t${tool}", resource == Tenant::"acme${tenant}") when { context.args.path like "/data/${n}/*" };`;
  };
  return Array.from({ length: count }, (_, n) => one(n)).join('\n');
}

function ask(path: string): Question {
  return {
    subject: { id: 'alice', kind: 'User', tenant: 'acme0', groups: ['staff'], acr: undefined },
    action: 'files/t0',
    tenant: 'acme0',
    arguments: { path },
    context: { hour: 12, mfa_age_s: undefined },
  };
}

function median(run: (turn: number) => void): string {
  const samples: number[] = [];
  for (let turn = 0; turn < 1000; turn++) {
    const before = process.hrtime.bigint();
    run(turn);
    samples.push(Number(process.hrtime.bigint() - before) / 1000);
  }
  return (
    samples
      .sort((a, b) => a - b)[500]
      ?.toFixed(1)
      .padStart(9) ?? ''
  );
}

console.log('policies          load ms  new question  repeated  visible, repeated   (us, median of 1000)');
for (const count of [10, 100, 1000]) {
  for (const spread of [true, false]) {
    const before = performance.now();
    const { engine, problems } = loadCedar([{ file: 'bench.cedar', text: policies(count, spread) }], [files]);
    if (problems.length > 0) throw new Error(JSON.stringify(problems[0]));
    const load = (performance.now() - before).toFixed(0).padStart(8);
    engine.decide(ask('/data/0/warm'));
    const fresh = median((turn) => engine.decide(ask(`/data/0/${turn}`)));
    const repeated = median(() => engine.decide(ask('/data/0/warm')));
    const visible = median(() => engine.visible(ask('')));
    const name = `${count} ${spread ? 'spread' : 'one tool'}`.padEnd(15);
    console.log(`${name}  ${load}     ${fresh} ${repeated}          ${visible}`);
  }
}
