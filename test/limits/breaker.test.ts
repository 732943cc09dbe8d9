import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { ToolServer } from './support/tool-server.ts';

const TOOLS = ['one', 'two', 'patient', 'strict'];
const inputSchema = { type: 'object', properties: { how: { type: 'string' } } };
const FAILURES: Readonly<Record<string, { readonly code: number; readonly message: string }>> = {
  fails: { code: -32603, message: 'the warehouse is away' },
  'asked wrong': { code: -32602, message: 'no such table' },
};

const pages: { readonly body: string; readonly headers: IncomingHttpHeaders }[] = [];

/** A remote server that does what it is asked: fails in the one way or the other, or takes its time. */
const server = new ToolServer(
  TOOLS.map((name) => ({ name, description: name, inputSchema })),
  ({ args: { how }, response, say }) => {
    const asked = String(how);
    if (FAILURES[asked] !== undefined) say({ error: FAILURES[asked] });
    else if (asked === 'says no') say({ result: { isError: true, content: [] } });
    else if (asked === 'hangs up') response.destroy();
    else if (/^[45]/.test(asked)) response.writeHead(Number(asked)).end();
    else setTimeout(() => say({ result: { content: [] } }), asked === 'slow' ? 300 : 0);
  },
  ({ url, headers }, body, response) => {
    if (url !== '/on-call') return false;
    pages.push({ body, headers });
    response.writeHead(204).end();
    return true;
  },
);
let workspace: Workspace;
let product: Product;
before(async () => {
  const origin = await server.listen();
  const permits = ['acme', 'globex'].flatMap((tenant) =>
    TOOLS.map(
      (tool) =>
        `permit (principal in Tenant::"${tenant}", action == Action::"odd/${tool}", resource == Tenant::"${tenant}");\n`,
    ),
  );
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 10000/min, burst: 500 } }
paging: { tenant: operations, webhook: { url: "${origin}/on-call", secret: on-call } }
`,
    'policies/p.cedar': permits.join(''),
  });
  await workspace.must('add', `${origin}/mcp`, '--name', 'odd', '--yes');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const tools =
    'one: { breaker: { p99: 1m } }, two: { breaker: { p99: 100ms } }, patient: { breaker: { p99: 1m } }, strict: { breaker: { is_error: fault, p99: 1m } }';
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)url:.*$/m, `$&\n$1tools: { ${tools} }`));
  const put = await workspace.pipe('the-secret-of-operations\n', 'secrets', 'put', 'on-call', '--tenant', 'operations');
  assert.equal(put.code, 0, put.stderr);
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
  server.close();
});

const call = async (token: string, tool: string, how: string): Promise<string> => {
  const { json } = await post(product, callText(`odd__${tool}`, JSON.stringify({ how })), { token });
  return json.result === undefined ? (json.error.data.reason ?? json.error.code) : 'ok';
};
/** So many calls, a few at a time; what they were answered with, each counted. */
async function calls(token: string, tool: string, how: string, count: number): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  for (let left = count; left > 0; left -= 5)
    for (const answer of await Promise.all(Array.from({ length: Math.min(5, left) }, () => call(token, tool, how))))
      answers[answer] = (answers[answer] ?? 0) + 1;
  return answers;
}
const alerts = async (): Promise<string[]> =>
  (await workspace.must('audit', 'tail', '-n', '10000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event, detail }) => event === 'alert' && detail.startsWith('the breaker'))
    .map(({ detail }) => detail);
const tokens = async () => ({
  eve: await product.token('--subject', 'eve', '--tenant', 'acme'),
  adam: await product.token('--subject', 'adam', '--tenant', 'acme'),
  bob: await product.token('--subject', 'bob', '--tenant', 'globex'),
});

test('a tool that fails for two tenants is switched off for all; for one caller alone it is off for himself alone', async () => {
  verifies('limits.breaker');
  const { eve, adam, bob } = await tokens();
  const first = await calls(eve, 'one', 'fails', 30);
  // A call may begin before what came of the one before is told.
  assert.ok((first.upstream ?? 0) >= 20 && (first.breaker ?? 0) > 0, JSON.stringify(first));
  assert.equal(await call(eve, 'one', 'works'), 'breaker');
  for (const other of [adam, bob]) assert.equal(await call(other, 'one', 'works'), 'ok');
  assert.equal(await call(eve, 'two', 'works'), 'ok');
  const second = await calls(bob, 'one', 'hangs up', 15);
  assert.ok((second.upstream ?? 0) >= 5 && (second.breaker ?? 0) > 0, JSON.stringify(second));
  for (const other of [adam, bob]) assert.equal(await call(other, 'one', 'works'), 'breaker');
  const said = await alerts();
  assert.equal(said.length, 2, said.join('\n'));
  assert.match(
    said[0] ?? '',
    /^the breaker of odd\/one for subject .*eve.* is open: of \d+ calls \d+ failed and 0 were too slow$/,
  );
  assert.match(said[1] ?? '', /^the breaker of odd\/one for everybody is open/);

  await until(() => pages.length === 2);
  const told = pages.map(({ body, headers }) => {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const signature = createHmac('sha256', 'the-secret-of-operations').update(signed).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${signature}`);
    const { type, data } = JSON.parse(body);
    return [type, data.tool, data.severity];
  });
  assert.deepEqual(told, [
    ['breaker.opened', 'odd/one', 'warning'],
    ['breaker.opened', 'odd/one', 'critical'],
  ]);
});

test('what a caller asks wrong, a result that says no, and refusals count for nothing; unless the tool never says so lightly', async () => {
  verifies('limits.breaker');
  const { eve, adam, bob } = await tokens();
  for (const token of [eve, bob]) {
    assert.deepEqual(await calls(token, 'patient', 'asked wrong', 25), { upstream: 25 });
    assert.deepEqual(await calls(token, 'patient', 'says no', 25), { ok: 25 });
    for (const status of ['400', '429']) assert.deepEqual(await calls(token, 'patient', status, 15), { upstream: 15 });
  }
  const { json } = await post(product, callText('odd__patient', '{"unknown":1}'), { token: adam });
  assert.equal(
    json.result === undefined ? json.error.data.reason : json.result._meta['innerkeep/refusal'].reason,
    'validation',
  );
  assert.equal(await call(adam, 'patient', 'works'), 'ok');
  const said = await calls(eve, 'strict', 'says no', 30);
  assert.ok((said.ok ?? 0) >= 20 && (said.breaker ?? 0) > 0, JSON.stringify(said));
});

test('a tool is slow by its own measure; statuses of the server (5xx) are its failures', async () => {
  verifies('limits.breaker');
  const { eve, bob } = await tokens();
  const slow = await calls(eve, 'two', 'slow', 40);
  assert.ok((slow.ok ?? 0) >= 20 && (slow.breaker ?? 0) > 0, JSON.stringify(slow));
  assert.deepEqual(await calls(eve, 'patient', 'slow', 40), { ok: 40 });
  const failed = await calls(bob, 'patient', '503', 40);
  assert.ok((failed.upstream ?? 0) >= 1 && (failed.breaker ?? 0) > 0, JSON.stringify(failed));
});
