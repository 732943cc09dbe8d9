import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayServer } from '../../src/contract/bundle.ts';
import type { Limits, Spending, ToolCost } from '../../src/contract/limits.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Admitted, Authorized, Confirmed, Executed, Validated } from '../../src/contract/tool-call.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { Flights } from '../../src/gateway/limits/flights.ts';
import { money } from '../../src/gateway/limits/money.ts';
import { settlement, warnings } from '../../src/gateway/limits/settle.ts';
import { limitStage } from '../../src/gateway/limits/stage.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const pin = { name: 'tool', raw: '{}', digest: '' };

/** The stage and its settlement before one tool that costs money, on a clock of the test's. */
function till(cost: ToolCost, budgets: Partial<Limits> = {}) {
  const clock = { at: Date.parse('2026-11-29T12:00:00Z') };
  const limits: Limits = {
    perSubject: { interval: 1, burst: 1e6 },
    perSource: { interval: 1, burst: 1 },
    inFlight: { total: 100, perServer: 100 },
    ...budgets,
  };
  const server = { pins: { name: 'srv' }, tools: { tool: { cost } } } as unknown as GatewayServer;
  const store = memoryStore(() => clock.at);
  const prices = money(limits, [server], () => clock.at);
  const limit = limitStage({
    limits,
    servers: [server],
    money: prices,
    breakers: { watch: () => undefined },
    flights: new Flights(),
    store,
  });
  const told: Spending[] = [];
  const alerts: string[] = [];
  const settle = settlement({
    money: prices,
    store,
    spent: (_, spendings) => void told.push(...spendings),
    underquoted: (_, detail) => void alerts.push(detail),
    fault: (error) => assert.fail(String(error)),
  });
  return {
    clock,
    told,
    alerts,
    money: prices,
    ask: (args = '{}', quote?: string) => {
      const raw = `{"name":"tool","arguments":${args}}`;
      const valid = new Validated(known({ method: 'tools/call', pin }, raw), { arguments: JSON.parse(args), raw });
      return limit(new Confirmed(new Authorized(valid, { allow: true, policies: [], detail: '' }), undefined), quote);
    },
    async end(call: Awaited<ReturnType<typeof limit>>, outcome: string | Refusal | { continuation: string }) {
      const admitted = new Admitted(call);
      if (outcome instanceof Refusal) settle(admitted, outcome);
      else if (typeof outcome === 'string') settle(admitted, new Executed(admitted, outcome, undefined));
      else settle(admitted, new Executed(admitted, '{}', outcome.continuation));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
const broke = (detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Refusal && error.code === 'budget', String(error));
  assert.match(error.detail, detail);
  return true;
};

test('a tool that costs money and has no price is refused, and so is one whose price is none', async () => {
  verifies('limits.cost');
  await assert.rejects(till({}).ask(), broke(/its price cannot be told/));
  await assert.rejects(till({ max: 5e6, monthly: 1e9 }).ask(), broke(/its price cannot be told/));
  for (const price of ['args.missing * 1.0', '0.0 - 1.0', '1.0 / 0.0', 'args.rows * 1e300', '"free"', 'args.name'])
    await assert.rejects(till({ price }).ask('{"rows":1e9,"name":"x"}'), broke(/its price cannot be told/), price);
});

test('a call that would cost more than one may is refused before it runs, by its own arguments', async () => {
  verifies('limits.cost');
  const { ask } = till({ price: '0.01 + args.rows * 0.001', max: 1_000_000 });
  assert.equal((await ask('{"rows":990}')).reserved?.amount, 1_000_000);
  await assert.rejects(ask('{"rows":991}'), broke(/would cost \$1\.001, and may cost \$1\.00/));
  await assert.rejects(ask('{"rows":-1000}'), broke(/cannot be told/));
  assert.equal((await till({ price: '0.07' }).ask()).reserved?.amount, 70_000);
});

test('a budget is cut hard by what is reserved, and told of at 50, 80, 95 and 100 %, each once', async () => {
  verifies('limits.cost');
  const { ask, end, told } = till({ price: 100_000, monthly: 1_000_000 });
  const held = await Promise.all(Array.from({ length: 10 }, () => ask()));
  await assert.rejects(
    ask(),
    broke(/tool srv\/tool 2026-11 does not bear \$0\.10 beside \$0\.00 spent and \$1\.00 reserved/),
  );
  for (const call of held) await end(call, '{}');
  assert.deepEqual(
    told.flatMap(({ reached }) => reached ?? []),
    [50, 80, 100],
  );
  assert.match(
    warnings(told).at(-1) ?? '',
    /^tool srv\/tool 2026-11: 100 % of the budget is reached: \$1\.00 of \$1\.00$/,
  );
});

test('days and months of subject, tenant and tool are budgets of their own; a clock that is set back finds what was spent', async () => {
  verifies('limits.cost');
  const daily = till({ price: 600_000, monthly: 3_000_000 }, { subjectBudget: { daily: 1_000_000 } });
  await daily.end(await daily.ask(), '{}');
  await assert.rejects(daily.ask(), broke(/^subject \["User","acme","alice"\] 2026-11-29/));
  daily.clock.at += 12 * 3_600_000;
  await daily.end(await daily.ask(), '{}');
  daily.clock.at -= 3_600_000;
  await assert.rejects(daily.ask(), broke(/^subject \["User","acme","alice"\] 2026-11-29/));
  const tenant = till({ price: 600_000 }, { tenantBudget: { monthly: 1_000_000 } });
  await tenant.ask();
  await assert.rejects(tenant.ask(), broke(/^tenant acme 2026-11/));
});

test('what was reserved is given back where the server never had the call, and kept where nobody knows', async () => {
  verifies('limits.cost');
  const { ask, end, told } = till({ price: 400_000, daily: 1_000_000 });
  for (const code of ['overload', 'credential', 'audit'] as const) await end(await ask(), new Refusal(code, ''));
  await end(await ask(), { continuation: 'input is wanted first' });
  assert.equal(told.at(-1)?.spent, 0);
  await end(await ask(), new Refusal('upstream', 'crashed'));
  await end(await ask(), new Refusal('isolation', 'deadline'));
  assert.equal(told.at(-1)?.spent, 800_000);
  await assert.rejects(ask(), broke(/does not bear/));
});

test('a price that the result tells is reserved as the most it may be, and settled as what it was', async () => {
  verifies('limits.cost');
  const { ask, end, told } = till({ actual: 'result.usage.tokens * 0.00001', max: 500_000, daily: 1_000_000 });
  const [one, two] = [await ask(), await ask()];
  await assert.rejects(ask(), broke(/does not bear/));
  await end(one, '{"usage":{"tokens":1234}}');
  assert.equal(told.at(-1)?.spent, 12_340);
  await end(two, '{"usage":"a lie"}');
  assert.equal(told.at(-1)?.spent, 512_340);
});

test('a price that a dry run tells is reserved as it was told; one that tells none refuses the call', async () => {
  verifies('limits.cost');
  const cost: ToolCost = {
    dryRun: { with: { dry_run: true }, usd: 'result.bytes * 0.000001 + args.rows' },
    max: 2_000_000,
  };
  const { ask } = till(cost);
  assert.equal((await ask('{"rows":1}', '{"bytes":250000}')).reserved?.amount, 1_250_000);
  await assert.rejects(ask('{"rows":1}', '{"bytes":1000001}'), broke(/would cost \$2\.000001, and may cost \$2\.00/));
  for (const quote of ['{}', '{"bytes":"9"}', '{"bytes":-9e9}', '{"bytes":1,"isError":true}', '[]', 'null'])
    await assert.rejects(ask('{"rows":1}', quote), broke(/its price cannot be told/), quote);
});

test('a dry run that told less than its call cost is booked in full, told of, and not believed any more', async () => {
  verifies('limits.cost');
  const cost: ToolCost = {
    dryRun: { tool: 'estimate', usd: 'result.usd' },
    actual: 'result.usd',
    max: 900_000,
    daily: 2_000_000,
  };
  const { ask, end, told, alerts, money } = till(cost);
  await end(await ask('{}', '{"usd":0.1}'), '{"usd":0.1}');
  assert.deepEqual([told.at(-1)?.spent, alerts], [100_000, []]);
  const call = await ask('{}', '{"usd":0.1}');
  assert.notEqual(money.dryRun(call), undefined);
  await end(call, '{"usd":0.7}');
  assert.equal(told.at(-1)?.spent, 800_000);
  assert.deepEqual(alerts, [
    'the dry run of srv/tool said $0.10, and the call cost $0.70: it is not believed any more',
  ]);
  assert.equal(money.dryRun(call), undefined);
  assert.equal((await ask()).reserved?.amount, 900_000);
});
