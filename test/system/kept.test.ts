import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { family } from '../support/processes.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

let workspace: Workspace;
let product: Product;
let alice: string;
let bob: string;

before(async () => {
  workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\n',
    'policies/p.cedar':
      'permit (principal in Tenant::"acme", action == Action::"notes/note", resource == Tenant::"acme");\n',
  });
  cpSync(join(import.meta.dirname, 'notes'), join(workspace.dir, 'notes'), { recursive: true });
  await workspace.must('add', './notes', '--name', 'notes', '--yes', '--', 'node', 'server.mjs');
  const config = join(workspace.dir, 'innerkeep.yaml');
  const written = readFileSync(config, 'utf8');
  const kept = written.replace(/^( +)root: .*\n/m, '$&$1sandbox: { isolation: session }\n');
  assert.notEqual(kept, written);
  writeFileSync(config, kept);
  product = await workspace.up();
  alice = await product.token();
  bob = await product.token('--subject', 'bob', '--tenant', 'acme');
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

const HELLO = JSON.stringify({
  ...{ jsonrpc: '2.0', id: 0, method: 'initialize' },
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
});

async function open(token: string): Promise<string> {
  const { status, headers, text } = await post(product, HELLO, { token });
  assert.equal(status, 200, text);
  return String(headers['mcp-session-id']);
}

function note(text: string, token: string, session?: string) {
  const headers = session === undefined ? {} : { 'mcp-session-id': session };
  return post(product, callText('notes__note', JSON.stringify({ text })), { token, headers });
}

async function told(text: string, token: string, session?: string): Promise<string> {
  const { json, text: raw } = await note(text, token, session);
  return json?.result?.content?.[0]?.text ?? raw;
}

function end(token: string, session: string): Promise<number> {
  const headers = {
    ...{ authorization: `Bearer ${token}`, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' },
    accept: 'application/json, text/event-stream',
  };
  return new Promise((resolve, reject) => {
    const sent = request(product.ready.mcp, { method: 'DELETE', ca: product.ca, headers, agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('state stays with its session, and neither another session nor another subject finds it', async () => {
  verifies('sandbox.isolation');
  const [one, two, bobs] = [await open(alice), await open(alice), await open(bob)];
  assert.equal(await told('secret', alice, one), 'nothing');
  assert.equal(await told('read', alice, one), 'secret');
  assert.equal(await told('read', alice, two), 'nothing');
  assert.equal(await told('read', alice), 'nothing');
  assert.equal(await told('read', bob, bobs), 'nothing');
  const stolen = await note('read', bob, one);
  assert.equal(stolen.status, 404, stolen.text);
});

test('the sandbox is gone when its session is ended by DELETE', async () => {
  verifies('sandbox.isolation');
  const session = await open(alice);
  await told('secret', alice, session);
  const sandboxes = () => family(product.pid).filter(({ command }) => /^\S*node (\S+ )?server\.mjs/.test(command));
  const before = new Set(sandboxes().map(({ pid }) => pid));
  assert.ok(before.size > 0);
  assert.equal(await end(alice, session), 204);
  await until(() => {
    const now = new Set(sandboxes().map(({ pid }) => pid));
    return [...before].some((pid) => !now.has(pid));
  });
  assert.equal((await note('read', alice, session)).status, 404);
});

test('a crash is told to the client as lost state, and the session goes on afresh', async () => {
  const session = await open(alice);
  await told('secret', alice, session);
  const { json, text } = await note('exit', alice, session);
  assert.equal(json?.error?.data?.reason, 'isolation', text);
  assert.match(json.error.message, /what it remembered is lost/);
  assert.equal(await told('read', alice, session), 'nothing');
});

test('the log tells which calls shared a sandbox', async () => {
  verifies('observe.audit');
  const session = await open(alice);
  await told('one', alice, session);
  await told('two', alice, session);
  await told('three', bob, await open(bob));
  const records = (await workspace.must('audit', 'tail', '-n', '1000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'sandbox')
    .slice(-3);
  const [first, second, third] = records;
  assert.equal(first.sandbox, second.sandbox);
  assert.notEqual(first.incident, second.incident);
  assert.notEqual(second.sandbox, third.sandbox);
  assert.deepEqual(
    records.map(({ subject, server, action }) => [subject, server, action]),
    ['alice', 'alice', 'bob'].map((subject) => [subject, 'notes', 'notes/note']),
  );
});

// The last one: from then on the tool is refused.
test('a tool whose description flips while it runs is refused to everybody, and the log says why', async () => {
  verifies('observe.audit');
  const session = await open(alice);
  assert.equal(await told('secret', alice, session), 'nothing');
  for (const [text, whose, where] of [
    ['flip', alice, session],
    ['read', alice, session],
    ['read', bob, await open(bob)],
  ] as const) {
    const { json, text: raw } = await note(text, whose, where);
    assert.equal(json?.error?.data?.reason, 'approval', raw);
    assert.doesNotMatch(raw, /secret/);
  }
  const log = await workspace.must('audit', 'tail', '-n', '20');
  assert.equal(log.match(/tools\/list has had note as sha256-/g)?.length, 3, log);
});
