import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../src/contract/caller.ts';
import { bob, framed, settled, subject } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';
import { done, finish, openTasks, refused, someone, TASKS } from './support.ts';

const NEW = { revision: '2026-07-28' } as const;
const LATE = { ...NEW, late: true } as const;
const knows = (more: Partial<Caller> = {}) => someone({ capabilities: TASKS, ...more });
const question = { method: 'elicitation/create', params: '{"message":"?"}' };
const accepted = { action: 'accept', content: {} };

function open(limits = {}) {
  const room = openTasks(limits);
  const get = (id: string, wish = {}) => room.ask('tasks/get', id, { ...NEW, ...wish }, knows());
  const update = (id: string, inputResponses: unknown, wish = {}) =>
    room.ask('tasks/update', id, { ...NEW, ...wish }, knows(), { inputResponses });
  const cancel = (id: string, wish = {}) => room.ask('tasks/cancel', id, { ...NEW, ...wish }, knows());
  return { ...room, get, update, cancel };
}

test('a call is none until it is deferred: it goes away with its client, and is told of by nothing', async () => {
  const { begin, get, tasks } = open();
  const client = new AbortController();
  const said: string[] = [];
  const call = begin(LATE, knows({ signal: client.signal, notify: (message) => void said.push(message) }));
  call.notify('before');
  await assert.rejects(get(call.id), refused('unknown-task'));
  client.abort();
  assert.equal(call.signal.aborted, true);
  call.defer?.();
  assert.equal(call.isBehind, false, 'nobody is there to be told');
  assert.deepEqual([said, call.ask], [['before'], undefined]);
  const plain = framed({ id: '1', method: 'tools/call', params: {} }, NEW).call;
  assert.equal(tasks.begin(Object.assign(plain, { target: { method: 'tools/call' } }) as never, someone()), undefined);
});

test('deferred: the client goes and the work stays; shown in the words of the extension, without a mark of the older ones', async () => {
  const { begin, get } = open({ ttl: 60_000 });
  const client = new AbortController();
  const call = begin(LATE, knows({ signal: client.signal }));
  call.defer?.();
  const created = JSON.parse(await call.created);
  assert.deepEqual(Object.keys(created).sort(), [
    ...['createdAt', 'lastUpdatedAt', 'pollIntervalMs', 'resultType', 'status', 'taskId', 'ttlMs'],
  ]);
  assert.deepEqual([created.resultType, created.status, created.ttlMs], ['task', 'working', 60_000]);
  client.abort();
  assert.equal(call.signal.aborted, false);
  assert.equal((await get(call.id)).status, 'working');
  const _meta = { kept: 1, 'io.modelcontextprotocol/related-task': { taskId: 'of the server' } };
  finish(call, done('text', { _meta, isError: true }));
  const { kind: _, ...ended } = await get(call.id);
  assert.deepEqual([ended.resultType, ended.status, ended.taskId], ['complete', 'completed', call.id]);
  assert.deepEqual(ended.result, { content: [{ type: 'text', text: 'text' }], isError: true, _meta: { kept: 1 } });
});

test('an error is a failure with the gateway’s own words', async () => {
  const { begin, get } = open();
  const task = begin(NEW, knows());
  task.fail(
    '{"jsonrpc":"2.0","id":1,"error":{"code":1502,"message":"The server failed","data":{"reason":"upstream"}}}',
  );
  const { status, statusMessage, error, result } = await get(task.id);
  assert.deepEqual([status, statusMessage, error.code, result], ['failed', 'The server failed', 1502, undefined]);
});

test('foreign, altered, expired and invented ids are refused alike, by every method; nothing happens to the task', async () => {
  verifies('authn.edge');
  const { clock, begin, get, update, cancel, tasks } = open();
  const gone = begin({ ...NEW, ttl: 1000 }, knows());
  clock.pass(1000);
  const task = begin({ ...NEW, server: 'files' }, knows());
  const answer = task.ask?.(question);
  const older = begin({ server: 'files' });
  const altered = (task.id[0] === 'A' ? 'B' : 'A') + task.id.slice(1);
  for (const [id, wish] of [
    [altered, { server: 'files' }],
    [gone.id, {}],
    [older.id, { server: 'files' }],
    [task.id, {}],
    [task.id, { server: 'notes' }],
    [task.id, { server: 'files', by: bob }],
    [task.id, { server: 'files', by: subject('alice', { tenant: 'other' }) }],
  ] as const) {
    await assert.rejects(get(id, wish), refused('unknown-task'));
    await assert.rejects(update(id, { 'input-1': accepted }, wish), refused('unknown-task'));
    await assert.rejects(cancel(id, wish), refused('unknown-task'));
    const listening = framed({ id: '3', method: 'subscriptions/listen', params: {} }, { ...NEW, ...wish }).call;
    assert.equal(await tasks.watch(listening, id, () => assert.fail('told')), undefined);
  }
  assert.equal((await get(task.id, { server: 'files' })).status, 'input_required');
  task.cancel('by the test');
  await assert.rejects(async () => answer, refused('upstream'));
});

test('a client that has not declared the extension learns of no task what it needs', async () => {
  const { begin, ask } = open();
  const task = begin(NEW, knows());
  for (const capabilities of [{}, { extensions: {} }, { extensions: { 'io.modelcontextprotocol/tasks': true } }])
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
      for (const id of [task.id, 'A'.repeat(32)])
        await assert.rejects(
          ask(method, id, NEW, someone({ capabilities }), { inputResponses: {} }),
          refused('missing-capability'),
        );
  assert.equal(task.signal.aborted, false);
});

test('what is asked is shown under keys that are never used twice; each is answered once, the rest stays', async () => {
  const { begin, get, update } = open();
  const task = begin(NEW, knows());
  const [first, second] = [task.ask?.(question), task.ask?.({ ...question, params: '{"message":"!"}' })];
  const { inputRequests } = await get(task.id);
  assert.deepEqual(inputRequests, {
    'input-1': { method: 'elicitation/create', params: { message: '?' } },
    'input-2': { method: 'elicitation/create', params: { message: '!' } },
  });
  for (const wrong of [undefined, null, [], 'x'])
    await assert.rejects(update(task.id, wrong), refused('params'), JSON.stringify(wrong));
  await update(task.id, { 'input-9': accepted, __proto__: accepted, 'input-1': { action: 'decline' } });
  assert.deepEqual(await first, { kind: 'result', raw: '{"action":"decline"}' });
  const half = await get(task.id);
  assert.deepEqual([half.status, Object.keys(half.inputRequests)], ['input_required', ['input-2']]);
  await update(task.id, { 'input-1': accepted, 'input-2': accepted });
  assert.equal((await second)?.raw, JSON.stringify(accepted));
  await settled();
  assert.equal((await get(task.id)).status, 'working');
  const third = task.ask?.(question);
  assert.deepEqual(Object.keys((await get(task.id)).inputRequests), ['input-3']);
  await update(task.id, { 'input-3': accepted });
  await third;
  finish(task);
  assert.deepEqual(await update(task.id, { 'input-3': accepted }), { kind: 'result', resultType: 'complete' });
  assert.equal((await get(task.id)).status, 'completed');
});

test('cancel races its end: acknowledged each time, and what is over stays what it is', async () => {
  const { begin, get, cancel } = open();
  const [early, between, late] = [begin(NEW, knows()), begin(NEW, knows()), begin(NEW, knows())];
  await cancel(early.id);
  assert.equal(early.signal.aborted, true);
  assert.throws(() => early.keep(done('too late')), refused('unavailable'));
  early.fail('{"error":{"code":1,"message":"gone"}}');
  between.keep(done('kept'));
  await cancel(between.id);
  between.complete();
  finish(late);
  assert.deepEqual(await cancel(late.id), { kind: 'result', resultType: 'complete' });
  const ended = await Promise.all([early, between, late].map(({ id }) => get(id)));
  assert.deepEqual(
    ended.map(({ status, result, error }) => [status, result !== undefined, error]),
    [
      ['cancelled', false, undefined],
      ['cancelled', false, undefined],
      ['completed', true, undefined],
    ],
  );
});

test('a flood of tasks is bounded: what finds no room goes on as the call that it is', async () => {
  const { begin, get, cancel } = open({ running: 2 });
  const calls = [1, 2, 3, 4].map(() => begin(LATE, knows()));
  for (const call of calls) call.defer?.();
  assert.deepEqual(
    calls.map(({ isBehind }) => isBehind),
    [true, true, false, false],
  );
  // Cancelled, its sandbox is still being ended.
  await cancel(calls[0]?.id ?? '');
  calls[2]?.defer?.();
  assert.equal(calls[2]?.isBehind, false);
  calls[0]?.fail('{"error":{}}');
  calls[2]?.defer?.();
  assert.equal((await get(calls[2]?.id ?? '')).status, 'working');
  assert.throws(() => begin(NEW, knows()), refused('overload'));
});

test('a right that is withdrawn while it runs: nothing is given or taken, and what waits for input ends', async () => {
  verifies('authz.default-deny');
  const { world, tasks, begin, get, update, cancel } = open();
  const [asking, working] = [begin(NEW, knows()), begin(NEW, knows())];
  const answer = asking.ask?.(question);
  const told: string[] = [];
  const listening = framed({ id: '3', method: 'subscriptions/listen', params: {} }, NEW).call;
  tasks.watch(listening, working.id, (params) => told.push(params));
  world.permits = () => false;
  tasks.judgeBy((...[{ id }, , action]) => world.permits(id, action));
  await assert.rejects(async () => answer, refused('upstream'));
  assert.deepEqual([asking.signal.aborted, working.signal.aborted], [true, false]);
  finish(working);
  assert.deepEqual(told, []);
  for (const { id } of [asking, working]) {
    await assert.rejects(get(id), refused('unknown-task'));
    await assert.rejects(update(id, {}), refused('unknown-task'));
    await assert.rejects(cancel(id), refused('unknown-task'));
  }
});

test('who has no valid token any more gets no task out of a call that runs', () => {
  const { tasks, begin } = open();
  const call = begin(LATE, knows());
  tasks.revoke(() => true);
  call.defer?.();
  assert.equal(call.isBehind, false);
});

test('a listener is told what tasks/get would give, now and at each change, and no more once it has gone', async () => {
  const { tasks, begin, get, update } = open();
  const task = begin(NEW, knows());
  const told: { status: string; inputRequests?: object }[] = [];
  const listening = framed({ id: '3', method: 'subscriptions/listen', params: {} }, NEW).call;
  const watch = await tasks.watch(listening, task.id, (params) => told.push(JSON.parse(params)));
  watch?.now();
  const answers = [task.ask?.(question), task.ask?.(question)];
  await update(task.id, { 'input-1': accepted, 'input-2': accepted });
  await Promise.all(answers);
  await settled();
  finish(task);
  assert.deepEqual(
    told.map(({ status, inputRequests = {} }) => [status, Object.keys(inputRequests).length]),
    [
      ['working', 0],
      ['input_required', 1],
      ['input_required', 2],
      ['working', 0],
      ['completed', 0],
    ],
  );
  const { kind: _, resultType: __, ...last } = await get(task.id);
  assert.deepEqual(told.at(-1), last);
  const other = begin(NEW, knows());
  (await tasks.watch(listening, other.id, () => assert.fail('it has gone')))?.stop();
  finish(other);
});
