import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

let workspace: Workspace;
let product: Product;
before(async () => {
  workspace = new Workspace({
    'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
    'policies/p.cedar':
      'permit (principal in Tenant::"acme", action == Action::"tiny/echo", resource == Tenant::"acme");\n',
  });
  cpSync(join(home, 'bench/support/tiny'), join(workspace.dir, 'tiny'), { recursive: true });
  await workspace.must('add', './tiny', '--name', 'tiny', '--yes', '--', 'node', 'server.mjs');
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

/** Connections that stay: a flood is to be faster than what refills a bucket, on any machine. */
const agent = new Agent({ keepAlive: true, maxSockets: 50 });
after(() => agent.destroy());

const call = (token: string, id = 1) => post(product, callText('tiny__echo', '{"text":"x"}', id), { token, agent });

test('who has a token and floods gets 20 calls and 100 a minute, is told when to come back, and troubles nobody else', async () => {
  verifies('limits.subject');
  const [token, other] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  const began = Date.now();
  const replies = await Promise.all(Array.from({ length: 60 }, (_, id) => call(token, id)));
  const minutes = (Date.now() - began) / 60_000;
  const passed = replies.filter(({ status }) => status === 200);
  assert.ok(passed.length >= 20 && passed.length <= 20 + Math.ceil(100 * minutes), `${passed.length} of 60`);
  for (const { status, json, headers } of replies.filter((reply) => reply.status !== 200)) {
    assert.equal(status, 429);
    assert.deepEqual([json.error.code, json.error.data.reason, headers['retry-after']], [1429, 'rate', '1']);
  }
  assert.equal((await call(other)).status, 200);
});

test('what no tool would ever see counts too: ten times as many messages of any kind', async () => {
  verifies('limits.subject');
  const token = await product.token('--subject', 'carol', '--tenant', 'acme');
  const ping = (id: number) => post(product, `{"jsonrpc":"2.0","id":${id},"method":"ping"}`, { token, agent });
  const statuses: number[] = [];
  const began = Date.now();
  for (let round = 0; round < 8; round++)
    statuses.push(...(await Promise.all(Array.from({ length: 50 }, (_, id) => ping(id)))).map(({ status }) => status));
  const passed = statuses.filter((status) => status === 200).length;
  const minutes = (Date.now() - began) / 60_000;
  assert.ok(passed >= 200 && passed <= 200 + Math.ceil(1000 * minutes), `${passed} of 400`);
  assert.deepEqual(new Set(statuses), new Set([200, 429]));
});

test('an address whose tokens are bad is heard no more, but for those who are known there', async () => {
  verifies('limits.subject');
  const known = await product.token('--subject', 'dan', '--tenant', 'acme');
  assert.equal((await call(known)).status, 200);
  const unknown = await product.token('--subject', 'eve', '--tenant', 'acme');
  const forged = `${known.slice(0, -8)}AAAAAAAA`;
  const statuses: number[] = [];
  for (let round = 0; round < 4; round++)
    statuses.push(
      ...(await Promise.all(Array.from({ length: 50 }, (_, id) => call(forged, id)))).map((one) => one.status),
    );
  const looked = statuses.filter((status) => status === 421).length;
  assert.ok(looked >= 100 && looked < 200, `${looked} of 200`);
  assert.equal((await call(unknown)).status, 429);
  assert.equal((await call(known)).status, 200);
  // To strangers there is still the one answer.
  assert.equal((await post(product, callText('tiny__echo', '{"text":"x"}', 1), {})).status, 421);
});
