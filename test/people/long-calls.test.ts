import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';
import { type Remote, startRemote } from '../clients/support/remote.ts';
import { post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';
import { asker } from './support/house.ts';
import { Visitor } from './support/visitor.ts';

// Calls that are confirmed with a passkey and then go on: asked for input in their course, held, or made tasks.
const ACTIONS = [
  ...['old', 'new'].flatMap((name) => [`${name}/deploy`, `${name}#elicitation/create`]),
  ...['worker/say', 'worker/ask', 'worker#elicitation/create'],
];
const POLICY = `permit (principal in Tenant::"acme", action in [${ACTIONS.map((name) => `Action::"${name}"`).join(', ')}],
  resource == Tenant::"acme");\n`;
const workspace = new Workspace({
  'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nservers: {}\n',
  'policies/p.cedar': '// none yet\n',
});
const remotes: Remote[] = [];
let product: Product;
let alice: Visitor;
let token: string;
let dispatcher: Agent;

before(async () => {
  for (const [name, era] of [['old', 'legacy'] as const, ['new', 'modern'] as const]) {
    const remote = await startRemote(era);
    remotes.push(remote);
    await workspace.must('add', remote.url, '--name', name, '--yes');
  }
  cpSync(join(home, 'test/tasks/server'), join(workspace.dir, 'server'), { recursive: true });
  await workspace.must('add', './server', '--name', 'worker', '--yes', '--', 'node', 'server.mjs');
  writeFileSync(join(workspace.dir, 'policies/p.cedar'), POLICY);
  const file = join(workspace.dir, 'innerkeep.yaml');
  const stepUp = (tools: string) => `$&\n    tools: { ${tools} }`;
  const text = readFileSync(file, 'utf8')
    .replaceAll(/^ {2}(old|new):$/gm, stepUp('deploy: { step_up: mfa }'))
    .replace(/^ {2}worker:$/m, stepUp('say: { step_up: mfa }, ask: { step_up: mfa }'));
  writeFileSync(file, text);
  product = await workspace.up();
  alice = new Visitor({ origin: new URL(product.ready.mcp).origin, issuer: { handle: asker(product) } });
  await alice.enrol((await workspace.must('people', 'invite', '--subject', 'alice', '--tenant', 'acme')).trim());
  token = await product.token('--subject', 'alice', '--tenant', 'acme');
  dispatcher = new Agent({ connect: { ca: product.ca } });
});
after(async () => {
  await dispatcher?.destroy();
  await product?.stop();
  for (const remote of remotes) remote.stop();
  workspace.remove();
});

const confirmed = async (url: unknown) => assert.match((await alice.confirm(String(url))).body, /Confirmed/);

async function connected(mode: 'legacy' | { readonly pin: string }): Promise<Client> {
  const options = { capabilities: { elicitation: { url: {}, form: {} } }, versionNegotiation: { mode } };
  const client = new Client({ name: 'stock', version: '1' }, options as never);
  const asked = (input: string | URL, init: object) => undiciFetch(input, { ...init, dispatcher });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  const way = { fetch: asked as unknown as typeof fetch, requestInit };
  await client.connect(new StreamableHTTPClientTransport(new URL(product.ready.mcp), way));
  return client;
}

for (const server of ['old', 'new'])
  test(`a stock client of 2025-11-25 is led there, told of it, and asked on in the confirmed call, of the ${server} server`, async () => {
    verifies('authn.human');
    const client = await connected('legacy');
    const told = Promise.withResolvers<string>();
    client.setNotificationHandler('notifications/elicitation/complete', ({ params }) =>
      told.resolve(params.elicitationId),
    );
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { approve: true } }));
    const asked = { name: `${server}__deploy`, arguments: { to: 'production' } };
    const error: unknown = await client.callTool(asked).catch((reason) => reason);
    assert.ok(error instanceof UrlElicitationRequiredError, String(error));
    await confirmed(error.elicitations[0]?.url);
    assert.equal(await told.promise, error.elicitations[0]?.elicitationId);
    assert.match(JSON.stringify(await client.callTool(asked)), /deployed to production/);
    await assert.rejects(client.callTool(asked), UrlElicitationRequiredError, 'once');
    await client.close();
  });

for (const server of ['old', 'new'])
  test(`a stock client of 2026-07-28 confirms once, then answers what the ${server} server asks`, async () => {
    verifies('authn.human');
    const client = await connected({ pin: '2026-07-28' });
    const modes: unknown[] = [];
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      modes.push(params.mode);
      if (params.mode !== 'url') return { action: 'accept', content: { approve: true } };
      await confirmed(params.url);
      return { action: 'accept' };
    });
    const answer = await client.callTool({ name: `${server}__deploy`, arguments: { to: 'production' } });
    assert.match(JSON.stringify(answer), /deployed to production/);
    assert.deepEqual(modes, ['url', 'form']);
    await client.close();
  });

test('a state takes a confirmed call on once: neither replayed, nor for other arguments, nor from one that was not confirmed', async () => {
  verifies('authn.human');
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'new__deploy' };
  const ENVELOPE = 'io.modelcontextprotocol/';
  const _meta = {
    [`${ENVELOPE}protocolVersion`]: '2026-07-28',
    [`${ENVELOPE}clientCapabilities`]: { elicitation: { url: {}, form: {} } },
  };
  const deploy = async (to: string, more: object = {}) => {
    const params = { name: 'new__deploy', arguments: { to }, _meta, ...more };
    const { json } = await post(product, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }), {
      token,
      headers,
    });
    return json;
  };
  const stepUp = ({ result }: { result?: { inputRequests?: Record<string, { params: { url: string } }> } }) =>
    result?.inputRequests?.['innerkeep/step-up']?.params.url;
  await confirmed(stepUp(await deploy('staging')));
  const asked = await deploy('staging');
  assert.equal(stepUp(asked), undefined);
  const { requestState } = asked.result;
  const inputResponses = {
    [Object.keys(asked.result.inputRequests)[0] ?? '']: { action: 'accept', content: { approve: true } },
  };
  const other = await deploy('production', { requestState, inputResponses });
  assert.ok(stepUp(other) !== undefined, JSON.stringify(other));
  assert.match(JSON.stringify(await deploy('staging', { requestState, inputResponses })), /deployed to staging/);
  const again = await deploy('staging', { requestState, inputResponses });
  assert.ok(stepUp(again) !== undefined, JSON.stringify(again));
  const forged = await deploy('staging', { requestState: `${requestState.slice(0, -2)}AA`, inputResponses });
  assert.ok(stepUp(forged) !== undefined || forged.error !== undefined);
  assert.doesNotMatch(JSON.stringify([other, again, forged]), /deployed/);
});

test('a call that is made a task is confirmed before it is one, and each task once', async () => {
  verifies('authn.human');
  const headers = { 'mcp-protocol-version': '2025-11-25' };
  const rpc = async (method: string, params: object) =>
    (await post(product, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), { token, headers })).json;
  const say = (text: string) => rpc('tools/call', { name: 'worker__say', arguments: { text }, task: { ttl: 60_000 } });
  const { error } = await say('hello');
  assert.equal(error.data.reason, 'step-up');
  assert.deepEqual((await rpc('tasks/list', {})).result.tasks, [], 'nothing was begun');
  await confirmed(error.data.url);
  assert.equal((await say('other')).error.data.reason, 'step-up');
  const { taskId } = (await say('hello')).result.task;
  assert.match(JSON.stringify(await rpc('tasks/result', { taskId })), /hello/);
  assert.match(
    JSON.stringify(await rpc('tasks/result', { taskId })),
    /hello/,
    'a result is read as often as one likes',
  );
  assert.equal((await say('hello')).error.data.reason, 'step-up');
});

test('a confirmed task of 2026-07-28 asks its client on, and its answers need no second confirmation', async () => {
  verifies('authn.human');
  const ENVELOPE = 'io.modelcontextprotocol/';
  const _meta = {
    [`${ENVELOPE}protocolVersion`]: '2026-07-28',
    [`${ENVELOPE}clientCapabilities`]: {
      elicitation: { url: {}, form: {} },
      extensions: { [`${ENVELOPE}tasks`]: {} },
    },
  };
  const rpc = async (method: string, params: Record<string, unknown>) => {
    const headers = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'mcp-name': String(params.name ?? params.taskId),
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } });
    return (await post(product, body, { token, headers })).json;
  };
  const ask = () => rpc('tools/call', { name: 'worker__ask', arguments: {} });
  const first = await ask();
  await confirmed(first.result.inputRequests['innerkeep/step-up'].params.url);
  const { taskId, resultType } = (await ask()).result;
  assert.equal(resultType, 'task');
  const until = async (status: string) => {
    for (;;) {
      const { result } = await rpc('tasks/get', { taskId });
      if (result.status === status) return result;
      assert.equal(result.status, 'working');
    }
  };
  const [key = ''] = Object.keys((await until('input_required')).inputRequests);
  const content = { name: 'Alice' };
  await rpc('tasks/update', { taskId, inputResponses: { [key]: { action: 'accept', content } } });
  assert.match(JSON.stringify(await until('completed')), /Alice/);
  assert.ok((await ask()).result.inputRequests['innerkeep/step-up'] !== undefined, 'the next one is another call');
});
