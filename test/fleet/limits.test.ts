import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { eventually, noRedis } from '../state/support.ts';
import { verifies } from '../support/verifies.ts';
import { modern } from './support/attempts.ts';
import { Fleet } from './support/fleet.ts';
import { Till } from './support/till.ts';
import { type Json, Wire } from './support/wire.ts';

const policy = ['echo', 'pay', 'hold']
  .map(
    (tool) =>
      `permit (principal in Tenant::"zephyr", action == Action::"till/${tool}", resource == Tenant::"zephyr");\n`,
  )
  .join('');
const TOOLS = [
  'echo: { rate: { rate: 1/h, burst: 300 }, cost: { usd: 0.001, monthly_usd: 1000 } }',
  'pay: { cost: { usd: 0.01, monthly_usd: 1 } }',
  'hold: { cost: { usd: 0.2, monthly_usd: 1 } }',
].join(', ');

/** Three replicas before one server. */
async function fleetOf(t: TestContext) {
  const till = await Till.start(t);
  const fleet = await Fleet.start(t, {
    config: 'limits: { per_subject: { rate: 1000000/s, burst: 1000000 } }\n',
    policy,
    async prepare(workspace) {
      await workspace.must('add', till.url, '--name', 'till', '--yes');
      const file = join(workspace.dir, 'innerkeep.yaml');
      const lines = readFileSync(file, 'utf8').split('\n');
      const at = lines.findIndex((line) => line.includes(till.url));
      const indent = /^ */.exec(lines[at] ?? '')?.[0] ?? '';
      writeFileSync(file, lines.toSpliced(at + 1, 0, `${indent}tools: { ${TOOLS} }`).join('\n'));
    },
  });
  const token = await fleet.token('persephone', '--tenant', 'zephyr');
  const wire = new Wire(fleet, token, 24);
  t.after(() => wire.close());
  /** `ok`, or the reason of its refusal. */
  const call = async (tool: string, text: string, at?: number): Promise<string> => {
    const answer = await modern(wire, 'tools/call', { name: `till__${tool}`, arguments: { text } }, {}, at);
    let last: Json;
    for await (const message of answer.messages) last = message;
    return last.result === undefined ? (last.error.data?.reason ?? last.error.message) : 'ok';
  };
  const count = async (calls: number, tool: string, text: string): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    let left = calls;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const answer = await call(tool, text);
        counts[answer] = (counts[answer] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 96 }, lane));
    return counts;
  };
  return { fleet, till, token, call, count };
}

test('three gateways behind one address', { skip: noRedis, timeout: 240_000 }, async (t) => {
  const { fleet, till, token, call, count } = await fleetOf(t);

  await t.test('a rate is what it is with one, and nothing of whose it is can be read in what they share', async () => {
    verifies('limits.fleet', 'limits.subject');
    const raw = new Redis(fleet.redis.url);
    const monitor = await raw.monitor();
    const said: string[] = [];
    monitor.on('monitor', (_, args: string[]) => said.push(args.join(' ')));
    assert.deepEqual(await count(700, 'echo', 'pomegranate'), { ok: 300, rate: 400 });
    monitor.disconnect();
    const all = [...said, ...(await dump(raw))].join('\n');
    raw.disconnect();
    assert.ok(said.length > 700 && /\{innerkeep\}bucket:/.test(all) && /\{innerkeep\}budget:/.test(all));
    const secrets = ['persephone', 'zephyr', 'till/echo', 'till__echo', 'pomegranate', 'it said', ...token.split('.')];
    for (const secret of secrets)
      assert.equal(all.includes(secret), false, `the store was told ${secret.slice(0, 40)}`);
  });

  await t.test('ten thousand calls at once spend a budget to its last cent, and not one more', async (t) => {
    verifies('limits.fleet', 'limits.cost');
    const began = performance.now();
    assert.deepEqual(await count(10_000, 'pay', 'x'), { ok: 100, budget: 9900 });
    t.diagnostic(`10,000 calls in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    await eventually(async () => {
      const { budgets } = JSON.parse(await fleet.workspace.must('budget', '--json'));
      const { spent_usd, percent } = budgets.find(({ name }: Json) => name === 'till/pay');
      return spent_usd === 1 && percent === 100;
    });
  });

  await t.test(
    'one that is killed in mid-call loses the calls that it held and no other, and what they had reserved is given back',
    async () => {
      verifies('limits.fleet', 'limits.cost');
      const lost = Array.from({ length: 3 }, () => call('hold', 'lost', 0).catch(() => 'lost'));
      const kept = [call('hold', 'kept', 1), call('hold', 'kept', 2)];
      await eventually(() => till.held.length === 5);
      assert.equal(await call('hold', 'one too many', 2), 'budget');
      await fleet.replica(0).stop('SIGKILL');
      assert.deepEqual(await Promise.all(lost), ['lost', 'lost', 'lost']);
      // Refused until what the dead one had reserved is given back; then there is room for three.
      for (const at of [1, 2, 1])
        await eventually(async () => {
          const before = till.held.length;
          let isRefused = false;
          const answer = call('hold', 'another', at);
          void answer.then((told) => {
            isRefused = told === 'budget';
          });
          await eventually(() => isRefused || till.held.length > before);
          if (!isRefused) kept.push(answer);
          return !isRefused;
        });
      assert.equal(await call('hold', 'one too many', 1), 'budget');
      for (const answer of till.held) answer();
      assert.deepEqual(await Promise.all(kept), ['ok', 'ok', 'ok', 'ok', 'ok']);
      await fleet.startReplica(0);
      await fleet.serving(0);
      assert.equal(await call('hold', 'one too many', 0), 'budget');
    },
  );
});

/** All that is in it, key by key. */
async function dump(raw: Redis): Promise<string[]> {
  const all: string[] = [];
  for (const key of await raw.keys('*')) {
    const type = await raw.type(key);
    if (type === 'hash') all.push(key, JSON.stringify(await raw.hgetall(key)));
    else if (type === 'zset') all.push(key, JSON.stringify(await raw.zrange(key, '0', '-1')));
    else all.push(key, (await raw.get(key)) ?? '');
  }
  return all;
}
