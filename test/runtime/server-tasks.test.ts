import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RpcAnswer, ServerRequest, UpstreamCall } from '../../src/contract/upstream.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { until } from '../support/until.ts';
import { callOf, type Heard, json, remoteServer, upstreamOf } from './remote-server.ts';

const TASKS = '{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}';
const task = (status: string, more: object = {}) => ({
  taskId: 'ours alone',
  status,
  createdAt: '2026-07-28T00:00:00Z',
  lastUpdatedAt: '2026-07-28T00:00:00Z',
  ttlMs: null,
  pollIntervalMs: 1,
  ...more,
});
const done = { content: [{ type: 'text', text: 'done' }] };
const asks = (...keys: readonly string[]) => {
  const params = { message: '?', requestedSchema: { type: 'object', properties: {} } };
  return task('input_required', {
    inputRequests: Object.fromEntries(keys.map((key) => [key, { method: 'elicitation/create', params }])),
  });
};

type Look = (heard: Heard, looks: number) => object;

/** A server of 2026-07-28 that makes a task of each call; `look` says what it is each time. */
async function tasked(t: TestContext, look: Look, first: object = { resultType: 'task', ...task('working') }) {
  let looks = 0;
  const world = await remoteServer(t, (heard, response) => {
    const { id, method = '' } = heard.message;
    const answer = (result: object) => json(response, { jsonrpc: '2.0', id, result });
    if (method === 'server/discover')
      return answer({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } });
    if (method === 'tools/call') return answer(first);
    if (method === 'tasks/get') return answer({ resultType: 'complete', ...look(heard, ++looks) });
    return answer({ resultType: 'complete' });
  });
  const call = (more: Partial<UpstreamCall> = {}, deadline = 60_000): Promise<RpcAnswer> =>
    upstreamOf(t, world.settings, { deadline, maxResult: 1024 * 1024 }).call(callOf({ capabilities: TASKS, ...more }));
  return { ...world, call };
}

const failsWith = (detail: RegExp) => (error: unknown) => error instanceof UpstreamFailure && detail.test(error.detail);

test('a server’s task is waited for within the call, and its id is told to the server alone', async (t) => {
  const { call, asked } = await tasked(t, (_, looks) =>
    looks < 3 ? task('working') : task('completed', { result: done }),
  );
  let deferred = 0;
  assert.deepEqual(await call({ deferred: () => void deferred++ }), { kind: 'result', raw: JSON.stringify(done) });
  assert.equal(deferred, 1);
  const looks = asked('tasks/get');
  assert.equal(looks.length, 3);
  for (const { headers } of looks)
    assert.deepEqual([headers['mcp-method'], headers['mcp-name']], ['tasks/get', 'ours alone']);
  assert.equal(asked('tasks/cancel').length, 0);
});

test('what its task asks is asked once a key, however often it is shown; answers go back, and its error is the call’s', async (t) => {
  const { call, asked } = await tasked(t, ({ message }, looks) => {
    const told = asked('tasks/update').flatMap((one) => Object.keys(Object(one.message.params?.inputResponses)));
    if (looks > 500) return task('cancelled');
    if (told.length < 2) return asks(...['a', '__proto__x'].filter((key) => !told.includes(key)));
    assert.equal(message.params?.taskId, 'ours alone');
    return task('failed', { error: { code: -32603, message: 'broken' } });
  });
  const questions: string[] = [];
  const ask = async ({ method, params }: ServerRequest): Promise<RpcAnswer> => {
    questions.push(`${method} ${JSON.parse(params).message}`);
    return { kind: 'result', raw: `{"action":"accept","content":{"n":${questions.length}}}` };
  };
  const { kind, raw } = await call({ ask });
  assert.deepEqual([kind, JSON.parse(raw).message], ['error', 'broken']);
  assert.deepEqual(questions, ['elicitation/create ?', 'elicitation/create ?']);
});

test('where the client gives no answer, the call ends with that, and the server’s task is cancelled', async (t) => {
  const { call, asked } = await tasked(t, () => asks('a'));
  const refusal = { kind: 'error', raw: '{"code":1403,"message":"Not permitted"}' } as const;
  assert.deepEqual(await call({ ask: async () => refusal }), refusal);
  await until(() => asked('tasks/cancel').length === 1);
});

test('a task without an end ends with the call’s deadline, and is cancelled at its server', async (t) => {
  const { call, asked } = await tasked(t, () => task('working', { pollIntervalMs: 2 ** 40 }));
  await assert.rejects(call({}, 300), failsWith(/no answer within 300 ms/));
  await until(() => asked('tasks/cancel').length === 1);
  const still = asked('tasks/get').length;
  assert.ok(still <= 1, 'a huge interval is no reason to look more often');
});

test('whoever waits no more takes the task with him', async (t) => {
  const gone = new AbortController();
  const { call, asked } = await tasked(t, () => {
    gone.abort();
    return task('working');
  });
  await assert.rejects(call({ signal: gone.signal }), failsWith(/cancelled by the caller/));
  await until(() => asked('tasks/cancel').length === 1);
});

for (const [what, look, why] of [
  ['another id', () => task('working', { taskId: 'of somebody else' }), /another id/],
  ['a status that is none', () => task('half done'), /status that is none/],
  ['no result', () => task('completed'), /result is not there/],
  ['a result that is no object', () => task('completed', { result: 'done' }), /result is not there/],
  ['an error that is none', () => task('failed', { error: null }), /error is not there/],
  ['cancelled by itself', () => task('cancelled'), /cancelled by its server/],
  ['questions without a shape', () => task('input_required', { inputRequests: { a: 1 } }), /without a shape/],
  ['no questions', () => task('input_required'), /no inputRequests/],
  ['a question without a method', () => task('input_required', { inputRequests: { a: {} } }), /without a method/],
  ['a state as large as results may be', () => task('working', { more: 'x'.repeat(600_000) }), /has not ended/],
  ['questions without end', (_: Heard, looks: number) => asks(`key-${looks}`), /more than 20 requests/],
] as const) {
  test(`refuses a server’s task with ${what}`, async (t) => {
    const { call, asked } = await tasked(t, look);
    const never = () => new Promise<RpcAnswer>(() => {});
    await assert.rejects(call({ ask: never }), failsWith(why));
    await until(() => asked('tasks/cancel').length === 1);
  });
}

test('a task that was not offered, or has no id, is waited for by nobody', async (t) => {
  const offered = await tasked(t, () => task('completed', { result: done }));
  const { raw } = await offered.call({ capabilities: '{}' });
  assert.equal(JSON.parse(raw).resultType, 'task', 'the gateway refuses such a result');
  assert.equal(offered.asked('tasks/get').length, 0);
  for (const taskId of ['', 7, 'x'.repeat(2000)]) {
    const nameless = await tasked(t, () => task('completed'), { resultType: 'task', ...task('working', { taskId }) });
    await assert.rejects(nameless.call(), failsWith(/no id/));
  }
});

test('a server of 2025-11-25 that wants tasks is asked for one, and for its result; its id goes nowhere else', async (t) => {
  const task = { taskId: 'of 2025', status: 'working', ttl: null, createdAt: '', lastUpdatedAt: '' };
  const world = await remoteServer(t, ({ message: { id, method, params } }, response) => {
    const answer = (result: object) => json(response, { jsonrpc: '2.0', id, result });
    if (method === 'tools/call') return answer(params?.task === undefined ? done : { task });
    return method === 'tasks/result' && answer({ ...done, was: params });
  });
  const upstream = upstreamOf(t, world.settings);
  let deferred = 0;
  const { raw } = await upstream.call(callOf({ asTask: true, deferred: () => void deferred++ }));
  assert.deepEqual([JSON.parse(raw), deferred], [{ ...done, was: { taskId: 'of 2025' } }, 1]);
  assert.deepEqual(JSON.parse((await upstream.call(callOf())).raw), done);
  assert.equal(world.asked('tasks/result').length, 1);
});

test('a server of 2025-11-25 that wants tasks and makes none is refused', async (t) => {
  const world = await remoteServer(t, ({ message: { id, method } }, response) => {
    return method === 'tools/call' && json(response, { jsonrpc: '2.0', id, result: done });
  });
  await assert.rejects(upstreamOf(t, world.settings).call(callOf({ asTask: true })), failsWith(/made none/));
});
