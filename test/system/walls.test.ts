import assert from 'node:assert/strict';
import { chmodSync, cpSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post, type Reply } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

const config = `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 100000/min, burst: 10000 } }
servers:
  hostile:
    root: ./hostile
    command: [node, server.mjs]
    mounts: [{ from: ./data, to: /data, mode: ro }]
    max_result: 1MiB
    sandbox: { memory: 192MiB, deadline: 10s }
`;
const tools =
  'write_outside read_host open_socket environment fork allocate hang garbage twice complain exit big secret fail remember nested echo';
const policy = `permit (
  principal in Tenant::"acme",
  action in [${tools
    .split(' ')
    .map((tool) => `Action::"hostile/${tool}"`)
    .join(', ')}],
  resource == Tenant::"acme"
);
forbid (principal, action == Action::"hostile/echo", resource) when { context.args.text like "*forbidden*" };
`;

let workspace: Workspace;
let product: Product;
let token: string;
before(async () => {
  workspace = new Workspace({ 'innerkeep.yaml': config, 'policies/p.cedar': policy, 'data/x.txt': 'x' });
  cpSync(join(import.meta.dirname, 'hostile'), join(workspace.dir, 'hostile'), { recursive: true });
  await workspace.must('add', './hostile', '--name', 'hostile', '--yes', '--', 'node', 'server.mjs');
  product = await workspace.up();
  token = await product.token();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

const call = (tool: string, args = '{}'): Promise<Reply> =>
  post(product, callText(`hostile__${tool}`, args), { token });
const textOf = (reply: Reply): string => reply.json.result.content[0].text;

/** The caller gets the generic message, the reason and an incident; the record under that incident has the detail. */
async function refused(reply: Reply, reason: string | undefined, detail: RegExp): Promise<void> {
  const data = reply.json.error?.data ?? reply.json.result?._meta?.['innerkeep/refusal'];
  assert.ok(data, reply.text);
  assert.equal(data.reason, reason, reply.text);
  const record = await workspace.must('audit', 'tail', '--incident', data.incident);
  assert.match(record, detail);
}

test('a tool that writes outside its scratch gets nowhere', async () => {
  verifies('sandbox.profile', 'sandbox.scratch');
  const said = textOf(await call('write_outside'));
  assert.doesNotMatch(said, /DONE/);
  assert.equal(said.split('\n').length, 5);
});

test('a tool sees nothing of the host: no files, no environment, no runtime socket', async () => {
  verifies('sandbox.scratch', 'sandbox.isolation');
  assert.doesNotMatch(textOf(await call('read_host')), /DONE/);
  const names = Object.keys(JSON.parse(textOf(await call('environment')))).sort();
  assert.deepEqual(names, ['HOME', 'PATH', 'PWD']);
});

test('a tool that opens a socket reaches nothing, not even a listening port of the host (A1)', async () => {
  verifies('sandbox.egress');
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const address = listener.address();
  const port = typeof address === 'object' ? address?.port : 0;
  assert.match(textOf(await call('open_socket', `{"port":${port}}`)), /^refused/);
  listener.close();
});

test('a tool that forks 10,000 times is held to its limit, and its processes die with the call', async () => {
  verifies('sandbox.profile');
  const reply = await call('fork');
  const started = Number(/started (\d+)/.exec(reply.text)?.[1] ?? 0);
  assert.ok(started < 1000, `started ${started}`);
});

test('a tool that allocates past its limit is killed, alone', async () => {
  verifies('sandbox.profile');
  const [reply, neighbour] = await Promise.all([call('allocate'), call('echo', '{"text":"alive"}')]);
  await refused(reply, 'isolation', /hostile/);
  assert.equal(textOf(neighbour), 'alive');
});

test('refuses what never answers, at its deadline', async () =>
  refused(await call('hang'), 'isolation', /no answer within 10000 ms/));
test('refuses an answer that is garbage', async () => refused(await call('garbage'), 'upstream', /not JSON/i));
test('refuses an answer that two readers read differently', async () =>
  refused(await call('twice'), 'upstream', /duplicate/));
test('refuses when the server exits half way', async () =>
  refused(await call('exit'), 'upstream', /exit|ended|code 3/i));
test('refuses an answer above the size cap (A8)', async () => {
  verifies('output.size');
  await refused(await call('big'), 'size', /bytes|large/i);
});
test('a server that writes to stderr without end is drained, and its call answered', async () => {
  assert.equal(textOf(await call('complain')), 'still here');
});

test('an upstream error becomes a generic message; the real one is in the audit only', async () => {
  verifies('output.errors');
  const reply = await call('fail');
  assert.doesNotMatch(reply.text, /10\.0\.0\.5|hunter2|database/);
  await refused(reply, 'upstream', /database at 10\.0\.0\.5/);
});

test('a secret in an answer does not reach the caller', async () => {
  verifies('output.secrets');
  const reply = await call('secret');
  assert.doesNotMatch(reply.text, /IOSFODNN7QXMPLRT/);
  assert.match(textOf(reply), /\[redacted:aws/);
});

test('two calls to the same server share nothing', async () => {
  verifies('sandbox.isolation');
  for (const text of ['first', 'second', 'third']) {
    const seen = JSON.parse(textOf(await call('remember', JSON.stringify({ text }))));
    assert.deepEqual(seen, { variable: 'nothing', file: 'nothing' });
  }
});

test('refuses an extra property, a duplicate key, and what exceeds a bound; what just fits passes', async () => {
  verifies('input.strict', 'input.bounds');
  const deep = (levels: number): string => `{"list":[],"tree":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`;
  const list = (length: number): string => `{"tree":{},"list":[${Array(length).fill(0).join()}]}`;
  const text = (bytes: number): string => JSON.stringify({ text: 'a'.repeat(bytes) });
  assert.equal(textOf(await call('nested', deep(14))), 'ok');
  assert.equal(textOf(await call('nested', list(1000))), 'ok');
  assert.equal(textOf(await call('echo', text(8192))).length, 8192);
  await refused(await call('nested', deep(15)), 'validation', /depth|deep/i);
  await refused(await call('nested', list(1001)), 'validation', /1,?000/);
  await refused(await call('echo', text(8193)), 'validation', /8,?192/);
  await refused(await call('echo', '{"text":"a","extra":1}'), 'validation', /extra/);
  const twice = await call('echo', '{"text":"a","text":"b"}');
  assert.equal(twice.json.error.code, -32700);
});

test('a denied call, and a tool that nobody may call, which answers like one that does not exist', async () => {
  verifies('authz.default-deny');
  await refused(await call('echo', '{"text":"forbidden fruit"}'), 'policy', /p\.cedar/);
  const [unlisted, missing] = [await call('slow', '{"text":"x"}'), await call('no_such_tool', '{"text":"x"}')];
  const bare = (reply: Reply): string => reply.text.replace(/inc_\w+/, '');
  assert.equal(bare(unlisted), bare(missing));
  assert.equal(unlisted.json.error.code, -32602);
  assert.equal(unlisted.json.error.data.reason, undefined);
});

test('refuses another tenant: to it the tools do not exist', async () => {
  const foreign = await product.token('--subject', 'mallory', '--tenant', 'evil');
  const reply = await post(product, callText('hostile__echo', '{"text":"x"}'), { token: foreign });
  assert.equal(reply.json.error.code, -32602);
  const list = await post(product, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { token: foreign });
  assert.deepEqual(list.json.result.tools, []);
});

test('no, foreign, expired and revoked tokens get one answer, byte for byte, before anything else is looked at', async () => {
  verifies('authn.edge', 'authn.audience');
  const revoked = await product.token();
  await workspace.must('token', '--revoke', revoked);
  const elsewhere = await product.token('--audience', `${product.ready.mcp}/hostile`);
  const answers = await Promise.all([
    post(product, callText('hostile__echo', '{"text":"x"}'), {}),
    post(product, 'not even JSON', { token: 'x' }),
    post(product, callText('hostile__echo', '{"text":"x"}'), { token: revoked }),
    post(product, callText('hostile__echo', '{"text":"x"}'), { token: elsewhere }),
    post(product, '{}', { headers: { origin: 'https://evil.example', 'content-type': 'text/plain' } }),
    post(product, '{}', { path: '/mcp/no-such-server' }),
  ]);
  for (const { status, text } of answers) assert.deepEqual({ status, text }, { status: 421, text: answers[0]?.text });
});

test('tokens that are revoked at the same time are all refused from then on', async () => {
  verifies('authn.edge');
  const tokens = await Promise.all([product.token(), product.token(), product.token()]);
  await Promise.all(tokens.map((revoked) => workspace.must('token', '--revoke', revoked)));
  const answers = await Promise.all(tokens.map((revoked) => post(product, '{}', { token: revoked })));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([421]));
});

test('refuses a server whose pinned copy was changed in the store (A4)', async () => {
  const other = new Workspace({ 'innerkeep.yaml': config, 'policies/p.cedar': policy, 'data/x.txt': 'x' });
  try {
    cpSync(join(workspace.dir, '.innerkeep/store'), join(other.dir, '.innerkeep/store'), { recursive: true });
    cpSync(join(workspace.dir, 'innerkeep.lock'), join(other.dir, 'innerkeep.lock'));
    cpSync(join(workspace.dir, 'hostile'), join(other.dir, 'hostile'), { recursive: true });
    const [file = ''] = globSync('.innerkeep/store/*/server.mjs', { cwd: other.dir });
    chmodSync(join(other.dir, file), 0o644);
    writeFileSync(join(other.dir, file), 'process.exit()');
    const { code, stderr } = await other.run('up');
    assert.equal(code, 3, stderr);
  } finally {
    other.remove();
  }
});

const root = process.getuid?.() === 0;
const onlyRoot = root ? false : 'root (an ordinary user is himself the one who reads)';
test('refuses a mount that the sandbox cannot read, with the mend, before anything runs', {
  skip: onlyRoot,
}, async () => {
  const closed = new Workspace({ 'innerkeep.yaml': config, 'policies/p.cedar': policy });
  try {
    mkdirSync(join(closed.dir, 'data'), { mode: 0o700 });
    cpSync(join(workspace.dir, 'hostile'), join(closed.dir, 'hostile'), { recursive: true });
    cpSync(join(workspace.dir, 'innerkeep.lock'), join(closed.dir, 'innerkeep.lock'));
    const { code, stderr } = await closed.run('up');
    assert.equal(code, 2, stderr);
    assert.match(stderr, /chmod/);
  } finally {
    closed.remove();
  }
});
