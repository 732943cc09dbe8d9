import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

const server = `
const { createInterface } = require('node:readline');
const say = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
const tools = ['hang', 'echo', 'pay'].map((name) => ({ name, description: name, inputSchema: { type: 'object', properties: {} } }));
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize')
    say(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'slow', version: '1' } });
  if (method === 'tools/list') say(id, { tools });
  if (method === 'tools/call' && params.name !== 'hang') say(id, { content: [] });
});
`;
let workspace: Workspace;
let product: Product;
before(async () => {
  const permit = ['hang', 'echo', 'pay'].map(
    (tool) => `permit (principal in Tenant::"acme", action == Action::"slow/${tool}", resource == Tenant::"acme");\n`,
  );
  workspace = new Workspace({
    'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
    'policies/p.cedar': `${permit.join('')}@ask("operator") forbid (principal, action == Action::"slow/pay", resource);`,
    'slow/server.cjs': server,
  });
  await workspace.must('add', './slow', '--name', 'slow', '--yes', '--', 'node', 'server.cjs');
  // No call ends by itself while a test waits for its end by the switch.
  const file = join(workspace.dir, 'innerkeep.yaml');
  const written = readFileSync(file, 'utf8');
  const patient = written.replace(/^( +)root: .*\n/m, '$&$1sandbox: { deadline: 1h }\n');
  assert.notEqual(patient, written);
  writeFileSync(file, patient);
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

const call = async (token: string, tool: string): Promise<string> => {
  const { json } = await post(product, callText(`slow__${tool}`, '{}'), { token });
  return json.result === undefined ? json.error.data.reason : 'ok';
};
const intents = async (): Promise<number> =>
  (await workspace.must('audit', 'tail', '-n', '1000')).split('\n').filter((line) => line.includes('"intent"')).length;

test('a call that waits for approval is refused when its token was revoked meanwhile, though it is approved', async () => {
  verifies('authn.edge', 'authz.question');
  const [alice, bob] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  const pay = (token: string) => post(product, callText('slow__pay', '{}'), { token });
  const both = [pay(alice), pay(bob)];
  const waiting = async () => JSON.parse(await workspace.must('approvals', 'ls', '--json')).approvals;
  await until(async () => (await waiting()).length === 2);
  await workspace.must('token', '--revoke', alice);
  await Promise.all((await waiting()).map(({ id }: { id: string }) => workspace.must('approvals', 'approve', id)));
  const [hers, his] = await Promise.all(both);
  assert.deepEqual([hers?.json?.result, his?.json.error], [undefined, undefined]);
  assert.match(
    await workspace.must('audit', 'tail', '-n', '20'),
    // At the end of its wait, or when it was told of the end of its token.
    /"alice"[^\n]*"event":"refusal"[^\n]*(revoked while its call waited|nobody waits for \S+ any more)/,
  );
});

test('the kill switch ends calls in flight and begins none, for whom or what it names alone, over a new start too', async () => {
  const [alice, bob] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  const before = await intents();
  const hanging = [call(alice, 'hang'), call(bob, 'hang')];
  await until(async () => (await intents()) >= before + 2);
  await workspace.must('stop', '--subject', 'alice', '--tenant', 'acme');
  assert.equal(await hanging[0], 'breaker');
  assert.equal(await call(alice, 'echo'), 'breaker');
  assert.equal(await call(bob, 'echo'), 'ok');
  await workspace.must('stop', '--tool', 'slow/hang');
  assert.equal(await hanging[1], 'breaker');

  await product.stop();
  product = await workspace.up();
  const [again, other] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  assert.deepEqual(await Promise.all([call(again, 'echo'), call(other, 'hang'), call(other, 'echo')]), [
    'breaker',
    'breaker',
    'ok',
  ]);
  await workspace.must('resume', '--subject', 'alice', '--tenant', 'acme');
  assert.equal(await call(again, 'echo'), 'ok');
  await workspace.must('stop', '--all');
  assert.deepEqual(await Promise.all([call(again, 'echo'), call(other, 'echo')]), ['breaker', 'breaker']);
  assert.match(
    await workspace.must('audit', 'tail', '-n', '1000'),
    /"event":"alert".*stopped: tool slow\/hang, everything/,
  );
  assert.match(await workspace.must('stop'), /^stopped: tool slow\/hang\nstopped: everything\n$/);
});

test('a list of stops that cannot be read stops the start: it must not become an empty one', async () => {
  await product.stop();
  const file = join(workspace.dir, '.innerkeep/stops.json');
  assert.ok(existsSync(file));
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.slice(0, -4));
  const { code, stderr } = await workspace.run('up');
  assert.equal(code, 3);
  assert.match(stderr, /stops\.json is not a list of what is stopped/);
});
