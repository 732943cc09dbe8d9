import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alice, bob, settled, subject, type Wish } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';
import { done, finish, openTasks, refused, someone, someSession } from './support.ts';

const METHODS = ['tasks/get', 'tasks/result', 'tasks/cancel'];
const MINUTE = 60_000;

test('a task that is unknown, expired, of another subject, tenant or scope is refused alike, and nothing happens to it', async () => {
  verifies('authn.edge');
  const { clock, begin, ask } = openTasks();
  const gone = begin({ server: 'files', ttl: 1000 });
  clock.pass(1000);
  const task = begin({ server: 'files' });
  finish(task);
  const foreign: [string, Wish][] = [
    ['A'.repeat(32), { server: 'files' }],
    ['', { server: 'files' }],
    ['__proto__', { server: 'files' }],
    [gone.id, { server: 'files' }],
    [task.id, { server: 'files', by: bob }],
    [task.id, { server: 'files', by: subject('alice', { tenant: 'other', key: 'issuer other alice' }) }],
    [task.id, { server: 'files', by: subject('alice', { tenant: 'other' }) }],
    [task.id, { server: 'notes' }],
    [task.id, {}],
  ];
  for (const method of METHODS)
    for (const [id, wish] of foreign) await assert.rejects(ask(method, id, wish), refused('unknown-task'), `${id}`);
  for (const [, wish] of foreign.slice(4)) assert.deepEqual((await ask('tasks/list', undefined, wish)).tasks, []);
  await assert.rejects(ask('tasks/get', 7, { server: 'files' }), refused('params'));
  assert.equal((await ask('tasks/result', task.id, { server: 'files' })).content[0].text, 'done');
});

test('a right that was withdrawn yields nothing, also to who waits already', async () => {
  verifies('authz.default-deny');
  const { world, begin, ask } = openTasks();
  const [early, late] = [begin(), begin()];
  finish(early);
  const waits = ask('tasks/result', late.id);
  world.permits = (id, action) => !(id === 'alice' && action === 'srv/tool');
  finish(late, done('secret of yesterday'));
  await assert.rejects(waits, refused('unknown-task'));
  for (const method of METHODS) await assert.rejects(ask(method, early.id), refused('unknown-task'), method);
  assert.deepEqual((await ask('tasks/list')).tasks, []);
  world.permits = () => true;
  assert.equal((await ask('tasks/result', early.id)).content[0].text, 'done');
});

test('nothing is given before a bundle says that it may be', async () => {
  verifies('authz.default-deny');
  const { tasks, begin, ask } = openTasks();
  tasks.judgeBy(() => false);
  await assert.rejects(ask('tasks/get', begin().id), refused('unknown-task'));
});

test('who waits when the token ends gets nothing', async () => {
  const { clock, begin, ask } = openTasks();
  const task = begin();
  const waits = ask('tasks/result', task.id, { until: clock.now() + 10 });
  clock.pass(10);
  finish(task);
  await assert.rejects(waits, refused('unavailable'));
  assert.equal((await ask('tasks/result', task.id)).content[0].text, 'done');
});

test('cancelled: its work is told so once, what it brings all the same is nobody’s, a second time is refused', async () => {
  const { begin, ask } = openTasks();
  const task = begin();
  const waits = ask('tasks/result', task.id);
  assert.equal((await ask('tasks/cancel', task.id)).status, 'cancelled');
  assert.equal(task.signal.aborted, true);
  await assert.rejects(waits, refused('task-over'));
  await assert.rejects(ask('tasks/cancel', task.id), refused('task-over'));
  assert.throws(() => task.keep(done('too late')), refused('unavailable'));
  task.fail('{"jsonrpc":"2.0","id":1,"error":{"code":1500,"message":"Not available"}}');
  assert.equal((await ask('tasks/get', task.id)).status, 'cancelled');
  await assert.rejects(ask('tasks/result', task.id), refused('task-over'));

  const between = begin();
  between.keep(done('kept'));
  await ask('tasks/cancel', between.id);
  between.complete();
  await assert.rejects(ask('tasks/result', between.id), refused('task-over'));

  const ended = begin();
  finish(ended);
  await assert.rejects(ask('tasks/cancel', ended.id), refused('task-over'));
  assert.equal((await ask('tasks/get', ended.id)).status, 'completed');
});

test('a flood of tasks is refused, also when each is cancelled; nobody else’s are touched', async () => {
  const { clock, begin, ask } = openTasks({ running: 2, perSubject: 4, total: 6, ttl: MINUTE });
  const his = begin({ by: bob });
  const first = [begin(), begin()];
  assert.throws(() => begin(), refused('overload'));
  // A sandbox that is being ended is still one.
  for (const task of first) await ask('tasks/cancel', task.id);
  assert.throws(() => begin(), refused('overload'));
  for (const task of first) task.fail('{"error":{}}');
  for (const task of [begin(), begin()]) finish(task);
  assert.throws(() => begin(), refused('overload'));
  finish(his);
  begin({ by: bob });
  for (const by of [subject('carol'), subject('dave')]) assert.throws(() => begin({ by }), refused('overload'));
  assert.equal((await ask('tasks/result', his.id, { by: bob })).content[0].text, 'done');
  assert.equal((await ask('tasks/list')).tasks.length, 4);
  clock.pass(MINUTE);
  begin();
});

test('a result above what is kept for a subject, or in all, is a failure: the memory is given back with the task', async () => {
  verifies('output.size');
  const { clock, begin, ask } = openTasks({ bytes: 3000, totalBytes: 4000, ttl: MINUTE });
  const large = done('x'.repeat(2000));
  finish(begin(), large);
  const second = begin();
  assert.throws(() => second.keep(large), refused('size'));
  second.fail('{"jsonrpc":"2.0","id":1,"error":{"code":1413,"message":"The answer is too large"}}');
  assert.deepEqual(await ask('tasks/result', second.id), {
    kind: 'error',
    code: 1413,
    message: 'The answer is too large',
  });
  assert.throws(() => begin({ by: bob }).keep(large), refused('size'));
  assert.throws(() => begin({ padding: 2000 }), refused('overload'));
  clock.pass(MINUTE);
  finish(begin({ by: bob }), large);
  for (let round = 0; round < 50; round++) {
    finish(begin({ padding: 500 }), done('x'.repeat(1000)));
    clock.pass(MINUTE);
  }
});

test('lives as long as it was wanted, within bounds, and its work no longer', async () => {
  const { clock, begin, ask } = openTasks({ minTtl: 1000, ttl: 5000, maxTtl: 10_000 });
  const ttls = [begin({ ttl: 0 }), begin(), begin({ ttl: 2 ** 50 })];
  assert.deepEqual(
    ttls.map(({ shown }) => JSON.parse(shown).ttl),
    [1000, 5000, 10_000],
  );
  const [short, , long] = ttls;
  const waits = ask('tasks/result', short?.id);
  clock.pass(1000);
  await assert.rejects(waits, refused('unknown-task'));
  assert.deepEqual([short?.signal.aborted, long?.signal.aborted], [true, false]);
  clock.pass(9000);
  assert.equal(long?.signal.aborted, true);
  assert.equal((await ask('tasks/list')).tasks.length, 0);
});

test('ids have 192 random bits, and a list is the subject’s own in the order in which they began', async () => {
  const { begin, ask } = openTasks();
  const mine = [begin(), begin(), begin()].map(({ id }) => id);
  begin({ by: bob });
  const { tasks } = await ask('tasks/list');
  assert.deepEqual(
    tasks.map(({ taskId }: { taskId: string }) => taskId),
    mine,
  );
  for (const id of mine) assert.match(id, /^[\w-]{32}$/);
});

test('a revoked token ends the work that it began, and nobody else’s', async () => {
  const { tasks, begin, ask } = openTasks();
  const old = begin();
  const fresh = begin({ by: subject('alice', { tokenId: 'another' }) });
  tasks.revoke(({ tokenId }) => tokenId === alice.tokenId);
  assert.deepEqual([old.signal.aborted, fresh.signal.aborted], [true, false]);
  assert.equal((await ask('tasks/get', old.id)).status, 'cancelled');
});

test('the gateway’s end waits until the end of each task is on record', async () => {
  verifies('observe.audit');
  const { tasks, begin } = openTasks();
  const task = begin();
  let over = false;
  const closing = tasks.close().then(() => {
    over = true;
  });
  await settled();
  assert.deepEqual([task.signal.aborted, over], [true, false]);
  task.fail('{"error":{}}');
  await closing;
});

test('a question waits for the session that made the task, and reaches no other', async () => {
  const session = someSession();
  const { clock, begin, ask } = openTasks({ askTimeout: 5000 });
  const asked: string[] = [];
  const own = (more = {}) =>
    someone({
      session,
      ask: async ({ params }) => {
        asked.push(params);
        return { kind: 'result', raw: '{"action":"decline"}' };
      },
      ...more,
    });
  const task = begin({}, own());
  const question = { method: 'elicitation/create', params: '{"message":"?","_meta":{"a":1}}' };
  const answer = task.ask?.(question);
  await settled();
  assert.equal((await ask('tasks/get', task.id)).status, 'input_required');
  const stranger = ask('tasks/result', task.id, {}, own({ session: someSession() }));
  await settled();
  assert.deepEqual(asked, []);
  const waits = ask('tasks/result', task.id, {}, own());
  assert.deepEqual(await answer, { kind: 'result', raw: '{"action":"decline"}' });
  const _meta = { a: 1, 'io.modelcontextprotocol/related-task': { taskId: task.id } };
  assert.deepEqual(JSON.parse(asked[0] ?? ''), { message: '?', _meta });
  assert.equal((await ask('tasks/get', task.id)).status, 'working');
  finish(task);
  await Promise.all([waits, stranger]);
  assert.deepEqual(
    session.said.map((text) => JSON.parse(text).params.status),
    ['input_required', 'working', 'completed'],
  );

  const lonely = begin({}, own());
  const unanswered = lonely.ask?.(question);
  const dropped = begin({}, own());
  const ended = dropped.ask?.(question);
  dropped.cancel('by the test');
  await assert.rejects(async () => ended, refused('upstream'));
  clock.pass(5000);
  await assert.rejects(async () => unanswered, refused('upstream'));
  assert.equal(begin().ask, undefined, 'a client without a session can be asked nothing');
});

test('a waiting client that goes away leaves the task alone', async () => {
  const { begin, ask } = openTasks();
  const task = begin();
  const gone = new AbortController();
  const waits = ask('tasks/result', task.id, {}, someone({ signal: gone.signal }));
  gone.abort();
  await assert.rejects(waits, refused('unavailable'));
  finish(task);
  assert.equal((await ask('tasks/result', task.id)).content[0].text, 'done');
});

test('what a server says of tasks in a result’s _meta is not ours: our mark replaces it, all else stays', async () => {
  const { begin, ask } = openTasks();
  const mark = (taskId: string) => ({ 'io.modelcontextprotocol/related-task': { taskId } });
  for (const [meta, kept] of [
    [
      { kept: 1, ...mark('planted'), more: 2 },
      { kept: 1, more: 2 },
    ],
    [mark('planted'), {}],
    [{}, {}],
    ['no object', {}],
  ] as const) {
    const task = begin();
    finish(task, done('text', { _meta: meta, isError: true }));
    assert.equal((await ask('tasks/get', task.id)).status, 'failed');
    assert.deepEqual((await ask('tasks/result', task.id))._meta, { ...kept, ...mark(task.id) });
  }
});
