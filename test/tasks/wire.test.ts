// The tasks extension of 2026-07-28 over the wire, in front of a server of 2025-11-25 that runs in sandboxes.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { post, type Reply } from '../support/http.ts';
import { family } from '../support/processes.ts';
import type { Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { permit, SECRET, startWorker, TIMED } from './worker.ts';

const PREFIX = 'io.modelcontextprotocol/';
const TASKS = `${PREFIX}tasks`;
const KNOWS = { elicitation: {}, extensions: { [TASKS]: {} } };

const all = permit(['/say', '/hold', '/ask', '/crash', '/plain', '/alone', '#elicitation/create']);

let workspace: Workspace;
let product: Product;
let alice: string;
let end: () => Promise<void>;

before(async () => {
  ({ workspace, product, alice, end } = await startWorker(all));
});
after(() => end?.());

interface Options {
  readonly token?: string;
  readonly path?: string;
  readonly capabilities?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body and the headers of one request. */
function spoken(method: string, params: { readonly name?: string; readonly taskId?: string }, options: Options) {
  const { capabilities = KNOWS, headers = {} } = options;
  const _meta = { [`${PREFIX}protocolVersion`]: '2026-07-28', [`${PREFIX}clientCapabilities`]: capabilities };
  const name = params.taskId ?? params.name;
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: 'x', method, params: { ...params, _meta } }),
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': name }),
      ...headers,
    },
  };
}
function rpc(method: string, params: object, options: Options = {}): Promise<Reply> {
  const { body, headers } = spoken(method, params, options);
  return post(product, body, { token: alice, ...options, headers });
}
const call = (name: string, args: object = {}, options: Options = {}) =>
  rpc('tools/call', { name: `${options.path === undefined ? 'worker__' : ''}${name}`, arguments: args }, options);
async function made(name: string, args: object = {}, options: Options = {}): Promise<string> {
  const { json, text } = await call(name, args, options);
  assert.equal(json?.result?.resultType, 'task', text);
  return json.result.taskId;
}
const about = (method: string, taskId: string, options: Options = {}, more: object = {}) =>
  rpc(`tasks/${method}`, { taskId, ...more }, options);
const code = ({ json }: Reply): number => json.error?.code;
const records = async () => JSON.parse(await workspace.must('audit', 'tail', '-n', '200', '--json')).records;
/** The task once it is no more in this status. */
async function onceNot(status: string, taskId: string, options: Options = {}) {
  for (;;) {
    const { json, text } = await about('get', taskId, options);
    assert.ok(json.result !== undefined, text);
    if (json.result.status !== status) return json.result;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test(
  'a call ends behind its answer: announced, sanitized, on record; older marks and the server’s id are not in it',
  TIMED,
  async () => {
    verifies('output.secrets', 'observe.audit');
    const { capabilities } = (await rpc('server/discover', {})).json.result;
    assert.deepEqual([capabilities.extensions, capabilities.tasks], [{ [TASKS]: {} }, undefined]);
    const taskId = await made('say', { text: SECRET });
    const { status, result, resultType } = await onceNot('working', taskId);
    assert.deepEqual([resultType, status, result._meta], ['complete', 'completed', { kept: true }]);
    assert.doesNotMatch(JSON.stringify(result), new RegExp(SECRET));
    const log = await records();
    const intent = log.findLast((one: Record<string, string>) => one.event === 'intent' && one.action === 'worker/say');
    const ended = log.find(
      (one: Record<string, string>) => one.incident === intent.incident && one.event === 'outcome',
    );
    assert.equal(ended.code, 'ok');
    const given = log.findLast((one: Record<string, string>) => one.method === 'tasks/get');
    assert.deepEqual([given.event, given.action], ['answer', 'worker/say']);
    const alone = await onceNot('working', await made('alone'));
    assert.equal(alone.result.content[0].text, 'alone');
    assert.doesNotMatch(JSON.stringify(alone), /task-of-the-server/);
  },
);

test(
  'a client that has not declared the extension gets calls, and −32021 where there is nothing else',
  TIMED,
  async () => {
    const capabilities = {};
    const { json } = await call('say', {}, { capabilities });
    assert.equal(json.result.resultType, 'complete');
    const taskId = await made('say');
    for (const reply of [
      await call('alone', {}, { capabilities }),
      await about('get', taskId, { capabilities }),
      await about('update', taskId, { capabilities }, { inputResponses: {} }),
      await about('cancel', taskId, { capabilities }),
      await rpc('subscriptions/listen', { notifications: { taskIds: [taskId] } }, { capabilities }),
    ]) {
      assert.deepEqual([reply.status, code(reply)], [400, -32021], reply.text);
      assert.deepEqual(reply.json.error.data.requiredCapabilities, { extensions: { [TASKS]: {} } });
    }
    for (const method of ['result', 'list']) {
      const reply = await about(method, taskId);
      assert.deepEqual([reply.status, code(reply)], [404, -32601]);
    }
  },
);

test('refuses a task id that the header does not repeat', TIMED, async () => {
  const [taskId, other] = [await made('hold'), await made('hold')];
  for (const method of ['get', 'update', 'cancel'])
    for (const name of [other, '', taskId.toLowerCase().replace(/^./, '!'), `=?base64?${btoa(other)}?=`]) {
      const reply = await about(method, taskId, { headers: { 'mcp-name': name } }, { inputResponses: {} });
      assert.deepEqual([reply.status, code(reply)], [400, -32020], `${method} ${name}`);
    }
  const encoded = await about('cancel', taskId, { headers: { 'mcp-name': `=?base64?${btoa(taskId)}?=` } });
  assert.deepEqual(encoded.json.result, { resultType: 'complete' });
  await about('cancel', other);
});

test(
  'another subject, another endpoint, an altered and an invented id are refused in the same words',
  TIMED,
  async () => {
    verifies('authn.edge');
    const bob = await product.token('--subject', 'bob', '--tenant', 'acme');
    const taskId = await made('ask');
    const own = await made('hold', {}, { path: '/mcp/worker' });
    await onceNot('working', taskId);
    for (const method of ['get', 'update', 'cancel']) {
      const more = { inputResponses: { 'input-1': { action: 'accept', content: { name: 'Eve' } } } };
      const refusals = await Promise.all([
        about(method, 'A'.repeat(32), {}, more),
        about(method, `${taskId.slice(0, -1)}${taskId.endsWith('A') ? 'B' : 'A'}`, {}, more),
        about(method, taskId, { token: bob }, more),
        about(method, taskId, { path: '/mcp/worker' }, more),
        about(method, own, {}, more),
      ]);
      for (const { status, json } of refusals)
        assert.deepEqual(
          [status, json.error.code, json.error.message, Object.keys(json.error.data)],
          [200, -32602, 'Task not found', ['incident']],
        );
    }
    assert.equal((await about('get', taskId)).json.result.status, 'input_required');
    for (const [id, options] of [
      [taskId, {}],
      [own, { path: '/mcp/worker' }],
    ] as const)
      await about('cancel', id, options);
  },
);

test('asked and answered by the task; what comes after its end changes nothing', TIMED, async () => {
  const taskId = await made('ask');
  const { status, inputRequests } = await onceNot('working', taskId);
  const [key = ''] = Object.keys(inputRequests);
  assert.deepEqual([status, inputRequests[key].method], ['input_required', 'elicitation/create']);
  const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada' } }, more: {} };
  assert.deepEqual((await about('update', taskId, {}, { inputResponses })).json.result, { resultType: 'complete' });
  const { result } = await onceNot('working', taskId);
  assert.match(result.content[0].text, /"name":"Ada"/);
  const again = { [key]: { action: 'accept', content: { name: 'Eve' } } };
  assert.equal((await about('update', taskId, {}, { inputResponses: again })).json.result.resultType, 'complete');
  assert.equal((await about('cancel', taskId)).json.result.resultType, 'complete');
  assert.deepEqual((await about('get', taskId)).json.result.result, result);
  const crash = await onceNot('working', await made('crash'));
  assert.deepEqual([crash.status, crash.error.code, crash.error.data.reason], ['failed', 1502, 'upstream']);
});

test('cancelled: its sandbox is killed, its outcome on record', TIMED, async () => {
  verifies('sandbox.isolation', 'observe.audit');
  const running = () =>
    family(product.pid)
      .filter(({ command }) => command.includes('server.mjs'))
      .map(({ pid }) => pid);
  const taskId = await made('hold');
  await until(async () => running().length > 0);
  const pids = new Set(running());
  await about('cancel', taskId);
  assert.equal((await about('get', taskId)).json.result.status, 'cancelled');
  // The call may have got its sandbox only after the first look.
  await until(async () => {
    const now = running();
    for (const pid of now) pids.add(pid);
    return [...pids].some((pid) => !now.includes(pid));
  });
  const ended = (one: Record<string, string>) => one.action === 'worker/hold' && one.event === 'outcome';
  await until(async () => (await records()).findLast(ended)?.code === 'unavailable');
});

test(
  'subscriptions/listen tells of the subject’s own tasks alone, as tasks/get would, each with the stream’s id',
  TIMED,
  async () => {
    verifies('authn.edge');
    const bob = await product.token('--subject', 'bob', '--tenant', 'acme');
    const taskId = await made('ask');
    const his = await made('hold', {}, { token: bob });
    const params = { notifications: { taskIds: [taskId, his, 'A'.repeat(32)] } };
    const { messages, end } = listen(params);
    await until(async () => messages.length >= 2);
    assert.deepEqual(messages[0]?.params.notifications, { taskIds: [taskId] });
    await until(async () => messages.at(-1)?.params.status === 'input_required');
    await about('update', taskId, {}, { inputResponses: { 'input-1': { action: 'decline' } } });
    await until(async () => messages.at(-1)?.params.status === 'completed');
    end();
    const { resultType: _, ...shown } = (await about('get', taskId)).json.result;
    assert.deepEqual(messages.at(-1), {
      jsonrpc: '2.0',
      method: 'notifications/tasks',
      params: { ...shown, _meta: { [`${PREFIX}subscriptionId`]: 'x' } },
    });
    await about('cancel', his, { token: bob });
  },
);

test(
  'a right that is withdrawn while it runs: nothing is told of it, and what waits for input is ended',
  TIMED,
  async () => {
    verifies('authz.default-deny');
    const [asking, said] = [await made('ask'), await made('say', { text: 'of yesterday' })];
    await onceNot('working', asking);
    await onceNot('working', said);
    writeFileSync(join(workspace.dir, 'policies/p.cedar'), permit(['/plain']));
    await workspace.must('policy', 'push');
    for (const taskId of [asking, said])
      for (const method of ['get', 'update', 'cancel'])
        assert.equal(code(await about(method, taskId, {}, { inputResponses: {} })), -32602);
    writeFileSync(join(workspace.dir, 'policies/p.cedar'), all);
    await workspace.must('policy', 'push');
    assert.equal((await about('get', asking)).json.result.status, 'cancelled');
    assert.match((await about('get', said)).text, /of yesterday/);
  },
);

test('a flood of tasks is refused; who is refused one has the others still', TIMED, async () => {
  const carol = await product.token('--subject', 'carol', '--tenant', 'acme');
  const replies = await Promise.all(Array.from({ length: 20 }, () => call('hold', {}, { token: carol })));
  const ids = replies.flatMap(({ json }) => json.result?.taskId ?? []);
  assert.equal(ids.length, 16);
  for (const reply of replies.filter(({ json }) => json.error !== undefined)) assert.equal(reply.status, 429);
  for (const id of ids) assert.equal((await about('cancel', id, { token: carol })).status, 200);
});

/** One stream of `subscriptions/listen`. */
function listen(params: object) {
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks into is its own business
  const messages: any[] = [];
  const { body, headers } = spoken('subscriptions/listen', params, {});
  const sent = request(
    new URL(product.ready.mcp),
    {
      method: 'POST',
      ca: product.ca,
      agent: false,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${alice}`,
        ...headers,
      },
    },
    (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const [, data] = /^data: (.+)$/m.exec(event) ?? [];
          if (data !== undefined) messages.push(JSON.parse(data));
        }
      });
      answer.on('error', () => {});
    },
  );
  sent.on('error', () => {});
  sent.end(body);
  return { messages, end: () => sent.destroy() };
}
