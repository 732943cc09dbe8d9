import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RpcAnswer } from '../../src/contract/upstream.ts';
import { outbound } from '../../src/gateway/descriptors/outbound.ts';
import { Tasks } from '../../src/gateway/tasks/tasks.ts';
import { framed, settled, TestClock } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';
import {
  ALL,
  accepted,
  answerOf,
  elicit,
  FORM,
  refused,
  request,
  result,
  type Server,
  stageWith,
  text,
} from './support.ts';

const KNOWS = { ...ALL, extensions: { 'io.modelcontextprotocol/tasks': {} } } as const;

/** The stage and the tasks together, for a client that knows tasks. */
function open(server: Server, stillMay = () => true) {
  const clock = new TestClock();
  const tasks = new Tasks({ clock });
  tasks.judgeBy(stillMay);
  const { execute, records } = stageWith({ server, clock, stillMay });
  const call = (params: object = {}) => {
    const { call: admitted, caller, notifications } = request({ modern: true, capabilities: KNOWS, params });
    const task = tasks.begin(admitted, caller);
    assert.ok(task !== undefined);
    const executed = execute(admitted, task).then(answerOf);
    executed.catch(() => {});
    const about = (method: string, more: object = {}) => {
      const from = {
        ...framed({ id: '2', method, params: { taskId: task.id, ...more } }, { revision: '2026-07-28' }).call,
      };
      const asked = { ...from, arrived: admitted.arrived, subject: admitted.subject };
      return tasks.answer(asked as never, caller).then(({ answer }) => JSON.parse(answer.raw));
    };
    return { task, executed, about, notifications };
  };
  return { clock, call, records };
}

/** A server that answers when it is told to. */
function slow() {
  const { promise, resolve } = Promise.withResolvers<RpcAnswer>();
  const server: Server = (call) => {
    call.notify('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}');
    call.signal.addEventListener('abort', () => resolve({ kind: 'error', raw: '{"code":1,"message":"aborted"}' }));
    return promise;
  };
  return { server, answer: resolve };
}

test('a call that is not answered in time becomes a task; one that is, never does', async () => {
  const { server, answer } = slow();
  const { clock, call } = open(server);
  const late = call();
  clock.pass(4999);
  assert.equal(late.task.isBehind, false);
  clock.pass(1);
  assert.equal(late.task.isBehind, true);
  answer(text('at last'));
  assert.equal((await late.executed).content[0].text, 'at last');
  const fast = open(async () => text('at once')).call();
  assert.equal((await fast.executed).content[0].text, 'at once');
  assert.equal(fast.task.isBehind, false);
});

test('no timer makes a task of what is answered already: nothing is told twice', async () => {
  const { clock, call } = open(async () => text('done'));
  const { task, executed } = call();
  await executed;
  clock.pass(60_000);
  assert.equal(task.isBehind, false);
  assert.equal(clock.timers, 0);
});

test('an older server’s question is asked by the task once there is one, judged and recorded as ever', async () => {
  verifies('output.secrets');
  const greeter: Server = async (call) => {
    call.deferred();
    const answer = await call.ask(elicit());
    return text(answer.kind === 'result' ? `hello ${JSON.parse(answer.raw).content?.name}` : answer.raw);
  };
  const { call, records } = open(greeter);
  const { task, executed, about } = call();
  await settled();
  assert.equal(task.isBehind, true);
  const shown = await about('tasks/get');
  assert.deepEqual(shown.inputRequests, { 'input-1': { method: 'elicitation/create', params: FORM } });
  assert.deepEqual(await about('tasks/update', { inputResponses: { 'input-1': accepted('Ann') } }), {
    resultType: 'complete',
  });
  assert.deepEqual(await executed, { content: [{ type: 'text', text: 'hello Ann' }] });
  assert.deepEqual(
    records.map(({ code }) => code),
    ['ok'],
  );

  const bad = open(greeter).call();
  await settled();
  await bad.about('tasks/update', { inputResponses: { 'input-1': { action: 'accept', content: { name: 7 } } } });
  assert.match((await bad.executed).content[0].text, /not valid/);
});

test('what was being asked of the request goes to the task when it becomes one in that moment', async () => {
  const { call } = open(async (upstream) => {
    const answer = upstream.ask(elicit());
    // In the same turn: the timer that gathers questions cannot fire before, however busy the machine is.
    for (let step = 0; step < 100; step++) await Promise.resolve();
    upstream.deferred();
    return text((await answer).raw);
  });
  const { executed, about } = call();
  for (let turn = 0; turn < 2000 && (await about('tasks/get').catch(() => ({}))).inputRequests === undefined; turn++)
    await new Promise((next) => setTimeout(next, 5));
  await about('tasks/update', { inputResponses: { 'input-1': accepted('Ann') } });
  assert.match((await executed).content[0].text, /Ann/);
});

test('a server of 2026-07-28 that wants input after the task was made is given it by the task, in rounds', async () => {
  const { clock, call } = open(async (upstream, params) => {
    if (params.inputResponses !== undefined) return text(JSON.stringify([params.inputResponses, params.requestState]));
    await new Promise<void>((resolve) => {
      started = resolve;
    });
    assert.match(upstream.capabilities, /modelcontextprotocol\/tasks/);
    const { method } = elicit();
    return result({ resultType: 'input_required', inputRequests: { n: { method, params: FORM } }, requestState: 's' });
  });
  let started = () => {};
  const { executed, about } = call();
  await settled();
  clock.pass(5000);
  started();
  await settled();
  const [key] = Object.keys((await about('tasks/get')).inputRequests);
  await about('tasks/update', { inputResponses: { [key ?? '']: accepted('Ann') } });
  assert.deepEqual(JSON.parse((await executed).content[0].text), [{ n: accepted('Ann') }, 's']);
});

test('asked before it is a task: the request is answered with the question, and comes back with the answer', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { call } = open(async (upstream) => {
    const answer = await upstream.ask(elicit());
    upstream.deferred();
    await promise;
    return text(answer.raw);
  });
  const first = call();
  const { inputRequests, requestState, resultType } = await first.executed;
  assert.deepEqual([resultType, first.task.isBehind], ['input_required', false]);
  const [key] = Object.keys(inputRequests);
  const second = call({ requestState, inputResponses: { [key ?? '']: accepted('Ann') } });
  await second.task.created;
  resolve();
  assert.match((await second.executed).content[0].text, /Ann/);
  assert.deepEqual([first.task.isBehind, second.task.isBehind], [false, true]);
});

test('cancelled by its client, its server’s work is aborted', async () => {
  const { server } = slow();
  const { clock, call } = open(server);
  const { executed, about, task } = call();
  clock.pass(5000);
  await about('tasks/cancel');
  await assert.rejects(executed, refused('unavailable'));
  assert.equal(task.signal.aborted, true);
});

test('a server is told of tasks for clients that know them, and for older ones, for which its task is waited for', async () => {
  const told: string[] = [];
  const { execute } = stageWith({
    server: async ({ capabilities }) => {
      told.push(capabilities);
      return text('done');
    },
  });
  const tasks = '{"extensions":{"io.modelcontextprotocol/tasks":{}}}';
  for (const client of [
    { modern: true, capabilities: JSON.parse(tasks) },
    { modern: true, capabilities: {} },
    { modern: true, capabilities: { extensions: { other: {} } } },
    { modern: false, capabilities: {} },
    { modern: false, capabilities: {}, method: 'prompts/get' as const },
  ]) {
    const { call, caller } = request(client);
    await execute(call, caller);
  }
  assert.deepEqual(told, [tasks, '{}', '{}', tasks, '{}']);
});

test('refuses to hand on a task of the server’s, or any result that has no meaning here', () => {
  const { call } = request({ modern: true });
  const raw = '{"resultType":"task","taskId":"the server’s own","status":"working"}';
  for (const other of [raw, '{"resultType":"later"}'])
    for (const modern of [true, false])
      assert.throws(() => outbound(call.target, false, modern, other), refused('upstream'));
});
