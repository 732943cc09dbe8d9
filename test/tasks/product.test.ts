import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Agent, fetch as undiciFetch } from 'undici';
import { post, type Reply } from '../support/http.ts';
import { family, gone } from '../support/processes.ts';
import type { Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { permit, SECRET, startWorker, TIMED } from './worker.ts';

const TOOLS = ['say', 'hold', 'ask', 'crash', 'plain', 'never', 'alone'];

const all = permit([...TOOLS.map((name) => `/${name}`), '#elicitation/create']);

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
  readonly headers?: Readonly<Record<string, string>>;
}

function rpc(method: string, params: object, options: Options = {}): Promise<Reply> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 'x', method, params });
  return post(product, body, { token: alice, ...options });
}
const make = (name: string, args: object = {}, options: Options = {}, task: unknown = { ttl: MINUTE }) =>
  rpc('tools/call', { name: `${options.path === undefined ? 'worker__' : ''}${name}`, arguments: args, task }, options);
async function made(name: string, args: object = {}, options: Options = {}): Promise<string> {
  const { json, text } = await make(name, args, options);
  assert.equal(json.result?.task?.status, 'working', text);
  return json.result.task.taskId;
}
const MINUTE = 60_000;
const about = (method: string, taskId: string, options: Options = {}) => rpc(`tasks/${method}`, { taskId }, options);
const code = ({ json }: Reply): number => json.error?.code;
const records = async () => JSON.parse(await workspace.must('audit', 'tail', '-n', '200', '--json')).records;

test(
  'a call that is made a task ends behind its answer: sanitized, marked, on record; its server never hears of the task',
  TIMED,
  async () => {
    verifies('output.secrets', 'observe.audit');
    const { json } = await make('say', { text: SECRET });
    const { taskId, createdAt, lastUpdatedAt, ...task } = json.result.task;
    assert.deepEqual(task, { status: 'working', ttl: MINUTE, pollInterval: 500 });
    assert.match(createdAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.equal(lastUpdatedAt, createdAt);
    const { result } = (await about('result', taskId)).json;
    assert.deepEqual(result._meta, { kept: true, 'io.modelcontextprotocol/related-task': { taskId } });
    assert.doesNotMatch(JSON.stringify(result), new RegExp(SECRET));
    assert.match(result.content[0].text, /\{"name":"say","arguments":\{"text":/);
    assert.doesNotMatch(result.content[0].text, /"task"/);
    assert.equal((await about('get', taskId)).json.result.status, 'completed');
    const listed = (await rpc('tasks/list', {})).json.result.tasks;
    assert.ok(listed.some((one: { taskId: string }) => one.taskId === taskId));
    const log = await records();
    const intent = log.findLast((one: Record<string, string>) => one.event === 'intent' && one.action === 'worker/say');
    const closing = log.filter((one: Record<string, string>) => one.incident === intent.incident);
    assert.deepEqual(
      closing.map(({ event, code: of }: Record<string, string>) => [event, of]),
      [
        ['intent', undefined],
        ['outcome', 'ok'],
      ],
    );
    const given = log.findLast((one: Record<string, string>) => one.method === 'tasks/result');
    assert.deepEqual([given.event, given.action], ['answer', 'worker/say']);
  },
);

test('refuses a task where the tool offers none, and every line before it holds', TIMED, async () => {
  verifies('input.strict', 'authz.default-deny', 'authn.edge');
  for (const name of ['plain', 'never']) assert.equal(code(await make(name)), -32601, name);
  assert.equal(code(await make('nowhere')), -32602);
  for (const task of [null, 1, [], { ttl: -1 }, { ttl: 0.5 }, { ttl: '60000' }])
    assert.equal(code(await make('say', {}, {}, task)), -32602, JSON.stringify(task));
  const spelled = await rpc('tools/call', { name: 'worker__say', arguments: {}, Task: {} });
  assert.equal(code(spelled), -32602);
  const bad = await make('say', { text: 1 });
  assert.equal(bad.json.result._meta['innerkeep/refusal'].reason, 'validation');
  assert.equal((await rpc('tasks/list', {}, { token: 'forged' })).status, 421);
  // A tool that is a task, or nothing.
  assert.equal(code(await rpc('tools/call', { name: 'worker__alone', arguments: {} })), -32601);
});

test('a tool that wants a task of its own server gets one, and nobody learns its id', TIMED, async () => {
  const taskId = await made('alone');
  const { json, text } = await about('result', taskId);
  assert.equal(json.result.content[0].text, 'alone');
  assert.deepEqual(json.result._meta, { 'io.modelcontextprotocol/related-task': { taskId } });
  assert.doesNotMatch(text, /task-of-the-server/);
});

test('older revisions have no tasks: the wish goes nowhere, the methods are not there', TIMED, async () => {
  for (const version of ['2025-03-26', '2025-06-18']) {
    const headers = { 'mcp-protocol-version': version };
    const { json } = await make('plain', {}, { headers });
    assert.equal(json.result.content[0].text, '{"name":"plain","arguments":{}}');
    assert.equal(code(await rpc('tasks/list', {}, { headers })), -32601);
  }
});

test('another subject, another endpoint and an invented id are refused in the same words', TIMED, async () => {
  const bob = await product.token('--subject', 'bob', '--tenant', 'acme');
  const taskId = await made('say');
  const own = await made('say', {}, { path: '/mcp/worker' });
  for (const method of ['get', 'result', 'cancel']) {
    const refusals = await Promise.all([
      about(method, 'A'.repeat(32)),
      about(method, taskId, { token: bob }),
      about(method, taskId, { path: '/mcp/worker' }),
      about(method, own),
    ]);
    const seen = refusals.map(({ status, json }) => [status, { ...json.error, data: Object.keys(json.error.data) }]);
    for (const one of seen) assert.deepEqual(one, seen[0], method);
    assert.deepEqual(seen[0], [200, { code: -32602, message: 'Task not found', data: ['incident'] }]);
  }
  assert.equal((await about('result', own, { path: '/mcp/worker' })).json.result.isError, undefined);
});

test('cancelled: its sandbox is killed, its outcome on record, a second time refused', TIMED, async () => {
  verifies('sandbox.isolation', 'observe.audit');
  const running = () =>
    family(product.pid)
      .filter(({ command }) => command.includes('server.mjs'))
      .map(({ pid }) => pid);
  const taskId = await made('hold');
  const waits = about('result', taskId);
  await until(() => running().length > 0);
  const pids = new Set(running());
  assert.equal((await about('cancel', taskId)).json.result.status, 'cancelled');
  assert.equal(code(await waits), -32602);
  assert.equal(code(await about('cancel', taskId)), -32602);
  // The call may have got its sandbox only after the first look.
  await until(() => {
    const now = running();
    for (const pid of now) pids.add(pid);
    return [...pids].some((pid) => !now.includes(pid));
  });
  const ended = (one: Record<string, string>) => one.action === 'worker/hold' && one.event === 'outcome';
  await until(async () => (await records()).findLast(ended)?.code === 'unavailable');
});

test(
  'a tool that fails, and a server that dies, are failed tasks: the one with its result, the other with the refusal',
  TIMED,
  async () => {
    const fails = await made('say', { fails: true });
    assert.equal((await about('result', fails)).json.result.isError, true);
    const crash = await made('crash');
    const { json } = await about('result', crash);
    assert.deepEqual([json.id, json.error.code, json.error.data.reason], ['x', 1502, 'upstream']);
    for (const id of [fails, crash]) assert.equal((await about('get', id)).json.result.status, 'failed');
  },
);

test('a result that is withdrawn by policy is not given any more', TIMED, async () => {
  verifies('authz.default-deny');
  const taskId = await made('say', { text: 'of yesterday' });
  await about('result', taskId);
  writeFileSync(join(workspace.dir, 'policies/p.cedar'), permit(['/plain']));
  await workspace.must('policy', 'push');
  for (const method of ['get', 'result', 'cancel']) assert.equal(code(await about(method, taskId)), -32602);
  assert.deepEqual((await rpc('tasks/list', {})).json.result.tasks, []);
  writeFileSync(join(workspace.dir, 'policies/p.cedar'), all);
  await workspace.must('policy', 'push');
  assert.match((await about('result', taskId)).text, /of yesterday/);
});

test(
  'SDK 1.32: a task by its own stream, its progress, its question answered while it waits, its end',
  TIMED,
  async () => {
    const agent = new Agent({ connect: { ca: product.ca } });
    const trusting = (url: unknown, init: unknown) =>
      undiciFetch(String(url), { ...(init as object), dispatcher: agent } as Parameters<typeof undiciFetch>[1]);
    const transport = new StreamableHTTPClientTransport(new URL(product.ready.mcp), {
      fetch: trusting as unknown as typeof fetch,
      requestInit: { headers: { authorization: `Bearer ${alice}` } },
    });
    const client = new Client({ name: 'stock', version: '1' }, { capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
      assert.match(JSON.stringify(params._meta), /related-task/);
      return { action: 'accept', content: { name: 'Ada' } };
    });
    try {
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      assert.deepEqual(client.getServerCapabilities()?.tasks, {
        list: {},
        cancel: {},
        requests: { tools: { call: {} } },
      });
      await client.listTools();
      const seen: string[] = [];
      const stream = client.experimental.tasks.callToolStream(
        { name: 'worker__ask', arguments: {} },
        CallToolResultSchema,
        { task: { ttl: MINUTE } },
      );
      let answer = '';
      for await (const message of stream) {
        seen.push(message.type === 'taskStatus' ? message.task.status : message.type);
        if (message.type === 'result') answer = JSON.stringify(message.result.content);
        if (message.type === 'error') throw message.error;
      }
      assert.match(answer, /\\"name\\":\\"Ada\\"/);
      assert.deepEqual([seen[0], seen.at(-1)], ['taskCreated', 'result']);
      assert.ok(seen.includes('input_required'), seen.join());

      const progress: number[] = [];
      const held = client.experimental.tasks.callToolStream({ name: 'worker__hold', arguments: {} }, undefined, {
        task: { ttl: MINUTE },
        onprogress: (at) => progress.push(at.progress),
      });
      const { value } = await held.next();
      const taskId = value?.type === 'taskCreated' ? value.task.taskId : '';
      await until(async () => progress.length > 0);
      assert.equal((await client.experimental.tasks.cancelTask(taskId)).status, 'cancelled');
      const { tasks } = await client.experimental.tasks.listTasks();
      assert.equal(tasks.find((task) => task.taskId === taskId)?.status, 'cancelled');
    } finally {
      await client.close();
      await agent.destroy();
    }
  },
);

test('the gateway’s end with tasks running: each intent has its outcome, and no process is left', TIMED, async () => {
  verifies('observe.audit', 'sandbox.isolation');
  await Promise.all([made('hold'), made('hold')]);
  const pids = family(product.pid).map(({ pid }) => pid);
  await product.stop();
  await gone(pids);
  const log = (await workspace.must('audit', 'tail', '-n', '100000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const of = (event: string): string[] =>
    log
      .filter((one) => one.event === event && one.action?.startsWith('worker/'))
      .map(({ incident }) => incident)
      .sort();
  assert.deepEqual(of('outcome'), of('intent'));
  assert.equal(JSON.parse(await workspace.must('audit', 'verify', '--json')).holds, true);
});
