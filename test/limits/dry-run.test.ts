import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Caller } from '../../src/contract/caller.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Authorized, Confirmed, Validated } from '../../src/contract/tool-call.ts';
import { estimateOf } from '../../src/gateway/limits/dry-run.ts';
import { known } from '../support/calls.ts';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { ToolServer } from './support/tool-server.ts';

/** Params of each `tools/call`, as they came. */
const heard: string[] = [];
const properties = { sql: { type: 'string' }, rows: { type: 'number' }, dry_run: { type: 'boolean' } };
const TOOLS = [
  { name: 'query', inputSchema: { type: 'object', properties } },
  { name: 'lax', inputSchema: { type: 'object', properties: { sql: { type: 'string' } } } },
];

/** A warehouse that tells beforehand how many bytes a query reads: ten thousand for a `big` one. */
const server = new ToolServer(TOOLS, ({ args: { sql, dry_run }, body, say }) => {
  heard.push(body.slice(body.indexOf('"arguments":') + 12, body.lastIndexOf('}}')));
  if (dry_run !== true) return say({ result: { content: [{ type: 'text', text: 'rows' }] } });
  if (sql === 'broken') return say({ error: { code: -32603, message: 'no estimate' } });
  if (sql === 'failed') return say({ result: { isError: true, content: [], structuredContent: { bytes: 1 } } });
  const bytes = sql === 'lies' ? 'none' : sql === 'big' ? 10_000 : 100;
  return say({ result: { content: [], structuredContent: { bytes } } });
});
let workspace: Workspace;
let product: Product;
before(async () => {
  const origin = await server.listen();
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 10000/min, burst: 500 } }
`,
    'policies/p.cedar': ['query', 'lax']
      .map(
        (tool) => `permit (principal in Tenant::"acme", action == Action::"dw/${tool}", resource == Tenant::"acme");\n`,
      )
      .join(''),
  });
  await workspace.must('add', `${origin}/mcp`, '--name', 'dw', '--yes');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const cost = `cost: { dry_run: { with: { dry_run: true }, usd: "result.structuredContent.bytes * 0.001" }, max_usd: 1, daily_usd: 1 }`;
  const tools = `{ query: { ${cost} }, lax: { ${cost} } }`;
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)url:.*$/m, `$&\n$1tools: ${tools}`));
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
  server.close();
});

const call = async (token: string, args: string, tool = 'query'): Promise<string> => {
  const { json } = await post(product, callText(`dw__${tool}`, args), { token });
  return json.result === undefined ? json.error.data.reason : 'ok';
};

test('the server tells the price of the very call that follows, whatever the caller writes; without a price there is no call', async () => {
  verifies('limits.cost');
  const token = await product.token();
  for (const [args, dry] of [
    ['{"sql":"a","rows":9007199254740993}', '{"sql":"a","rows":9007199254740993,"dry_run":true}'],
    ['{ "dry_run" : false, "sql":"a" }', '{ "dry_run" : true, "sql":"a" }'],
    ['{}', '{"dry_run":true}'],
  ] as const) {
    heard.length = 0;
    assert.equal(await call(token, args), 'ok');
    assert.deepEqual(heard, [dry, args]);
  }
  for (const sql of ['broken', 'failed', 'lies', 'big']) {
    heard.length = 0;
    assert.equal(await call(token, JSON.stringify({ sql })), 'budget', sql);
    assert.equal(heard.length, 1, 'the call itself has not been made');
  }
  // Its schema knows no dry run: such a call could be the real one.
  heard.length = 0;
  assert.equal(await call(token, '{"sql":"a"}', 'lax'), 'budget');
  assert.deepEqual(heard, []);
  const records = (await workspace.must('audit', 'tail', '-n', '1000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const intents = records.filter(({ event }) => event === 'intent');
  assert.equal(intents.length, 3 * 2 + 4, 'dry runs are on record like every call');
});

test('of many calls at once none goes beyond the budget, though all have been told a price', async () => {
  verifies('limits.cost');
  const token = await product.token('--subject', 'bob', '--tenant', 'acme');
  // Three have been paid for by the first test.
  const answers = await Promise.all(Array.from({ length: 15 }, () => call(token, '{"sql":"a"}')));
  assert.deepEqual(
    [answers.filter((one) => one === 'ok').length, answers.filter((one) => one === 'budget').length],
    [7, 8],
  );
});

test('a dry run that is slow is given up, and the call is refused for want of a price; what is about the caller stays that', async () => {
  verifies('limits.cost');
  const pin = { name: 'tool', raw: '{}', digest: '' };
  const raw = '{"name":"tool","arguments":{"n":1.0}}';
  const valid = new Validated(known({ method: 'tools/call', pin }, raw), { arguments: { n: 1 }, raw });
  const confirmed = new Confirmed(new Authorized(valid, { allow: true, policies: [], detail: '' }), undefined);
  const gone = new AbortController();
  const caller: Caller = {
    ...{ capabilities: { elicitation: {} }, logLevel: 'debug', ask: undefined, session: undefined },
    signal: gone.signal,
    notify: () => assert.fail('told of a dry run'),
  };
  const dryRun = { tool: 'estimate', usd: '1.0' };
  const slow = estimateOf(confirmed, dryRun, caller, 1);
  assert.equal(slow.params, '{"name":"srv__estimate","arguments":{"n":1.0}}');
  assert.deepEqual(slow.caller.capabilities, {});
  await once(slow.caller.signal, 'abort');
  const late = slow.failed(new Refusal('unavailable', 'the caller has gone'));
  assert.deepEqual([late.code, late.detail], ['budget', 'the dry run of srv/tool took longer than 1 ms']);
  const quick = estimateOf(confirmed, dryRun, caller);
  for (const code of ['rate', 'breaker', 'overload', 'unavailable', 'stopped'] as const)
    assert.equal(quick.failed(new Refusal(code, '')).code, code);
  for (const code of ['upstream', 'isolation', 'validation', 'policy', 'unknown', 'size', 'internal'] as const)
    assert.equal(quick.failed(new Refusal(code, '')).code, 'budget');
  gone.abort();
  assert.ok(quick.caller.signal.aborted, 'a caller who goes away ends it');
});
