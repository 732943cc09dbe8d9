import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { noRedis } from '../state/support.ts';
import { until } from '../support/until.ts';
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
  'echo: { breaker: { p99: 1m }, rate: { rate: 1/h, burst: 300 }, cost: { usd: 0.001, monthly_usd: 1000 } }',
  'pay: { breaker: { p99: 1m }, cost: { usd: 0.01, monthly_usd: 1 } }',
  'hold: { breaker: { p99: 1m }, cost: { usd: 0.2, monthly_usd: 1 } }',
].join(', ');

/** What a caller is told while the store does not answer. */
const AWAY = 'Not available';

/** Three replicas before one server. */
async function fleetOf(t: TestContext) {
  const till = await Till.start(t);
  const fleet = await Fleet.start(t, {
    config: 'limits: { per_subject: { rate: 1000000/s, burst: 1000000 } }\n',
    policy,
    prepare: (workspace) => till.addTo(workspace, TOOLS),
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

test('three gateways behind one address', { skip: noRedis, timeout: 600_000 }, async (t) => {
  const { fleet, till, token, call, count } = await fleetOf(t);

  await t.test(
    'a rate is what it is with one, and nothing of whose it is can be read in what they share',
    async (t) => {
      verifies('limits.fleet', 'limits.subject');
      const raw = new Redis(fleet.redis.url);
      const monitor = await raw.monitor();
      t.after(() => {
        monitor.disconnect();
        raw.disconnect();
      });
      const said: string[] = [];
      monitor.on('monitor', (_, args: string[]) => said.push(args.join(' ')));
      const { ok = 0, [AWAY]: away = 0, rate = 0, ...others } = await count(700, 'echo', 'pomegranate');
      // A machine that is too busy to answer within a second is refused, and what it would have let pass is lost.
      assert.ok(ok <= 300 && ok + away >= 300 && ok + away + rate === 700, JSON.stringify({ ok, away, rate, others }));
      // What the store was told is seen a little later than what it answered.
      await until(() => said.length > 700);
      const all = [...said, ...(await dump(raw))].join('\n');
      assert.ok(/\{innerkeep\}bucket:/.test(all) && /\{innerkeep\}budget:/.test(all));
      const secrets = [
        'persephone',
        'zephyr',
        'till/echo',
        'till__echo',
        'pomegranate',
        'it said',
        ...token.split('.'),
      ];
      for (const secret of secrets)
        assert.equal(all.includes(secret), false, `the store was told ${secret.slice(0, 40)}`);
    },
  );

  await t.test('ten thousand calls at once spend a budget to its last cent, and not one more', async (t) => {
    verifies('limits.fleet', 'limits.cost');
    const began = performance.now();
    const { ok = 0, [AWAY]: away = 0, budget = 0, ...others } = await count(10_000, 'pay', 'x');
    assert.ok(ok <= 100 && ok + away >= 100 && ok + away + budget === 10_000, JSON.stringify({ ok, away, others }));
    t.diagnostic(`10,000 calls in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    await until(async () => {
      const { budgets } = JSON.parse(await fleet.workspace.must('budget', '--json'));
      return budgets.find(({ name }: Json) => name === 'till/pay').spent_usd === ok / 100;
    });
  });

  await t.test(
    'one that is killed in mid-call loses the calls that it held and no other, and what they had reserved is given back',
    async () => {
      verifies('limits.fleet', 'limits.cost');
      /** A call that the server has; the answer to come. */
      const held = async (at: number): Promise<{ readonly answer: Promise<string> }> => {
        let answer = Promise.resolve('');
        await until(async () => {
          const before = till.held.length;
          let isOver = false;
          answer = call('hold', 'x', at).catch(() => 'lost');
          void answer.then(() => {
            isOver = true;
          });
          await until(() => isOver || till.held.length > before);
          return till.held.length > before;
        });
        return { answer };
      };
      const isRefused = (at: number) =>
        until(async () => {
          const told = await call('hold', 'one too many', at);
          assert.ok(told === 'budget' || told === AWAY, told);
          return told === 'budget';
        });
      const lost = [await held(0), await held(0), await held(0)];
      const kept = [await held(1), await held(2)];
      await isRefused(2);
      await fleet.replica(0).stop('SIGKILL');
      for (const { answer } of lost) assert.equal(await answer, 'lost');
      // Refused until what the dead one had reserved is given back; then there is room for three.
      for (const at of [1, 2, 1]) kept.push(await held(at));
      await isRefused(1);
      for (const answer of till.held) answer();
      for (const { answer } of kept) assert.equal(await answer, 'ok');
      await fleet.startReplica(0);
      await fleet.serving(0);
      await isRefused(0);
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
