import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { family } from '../support/processes.ts';
import { type Product, Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

let workspace: Workspace;
let product: Product;
before(async () => {
  workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\n',
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

test('200 calls in flight: none lost, none answered with another one’s result, and the pool refills', async () => {
  verifies('sandbox.isolation');
  const token = await product.token();
  const pooled = (): number => family(product.pid).filter(({ command }) => command.includes('server.mjs')).length;
  const one = async (id: number): Promise<void> => {
    const text = `call ${id} of 200`;
    const reply = await post(product, callText('tiny__echo', JSON.stringify({ text }), id), { token });
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual({ id: reply.json.id, text: reply.json.result?.content[0].text }, { id, text }, reply.text);
  };
  await Promise.all(Array.from({ length: 200 }, (_, id) => one(id)));
  await until(() => pooled() > 0);
  await one(201);
});

test('the records of all those calls form one chain: an intent and an outcome each', async () => {
  verifies('observe.audit');
  await product.stop();
  const { stdout } = await workspace.run('audit', 'verify', '--json');
  assert.equal(JSON.parse(stdout).holds, true);
  const records = (await workspace.must('audit', 'tail', '-n', '100000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const of = (event: string): string[] =>
    records.filter((r) => r.event === event && r.action === 'tiny/echo').map((r) => r.incident);
  assert.equal(new Set(of('intent')).size, 201);
  assert.deepEqual(of('outcome').sort(), of('intent').sort());
});
