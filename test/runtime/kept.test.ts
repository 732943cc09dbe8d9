import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { UpstreamCall, UpstreamSession } from '../../src/contract/upstream.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { plainDriver } from './plain-driver.ts';
import { aCall, runtimeWith, sandboxWith, stdioServer, textOf } from './support.ts';

const IDLE = 300_000;
const keeping = stdioServer('', { program: 'keeping.mjs', keep: { idle: IDLE } });

/** A session as a gateway has it. */
function someSession(key: string): UpstreamSession & { end(): void } {
  const controller = new AbortController();
  return { key, ended: controller.signal, end: () => controller.abort() };
}

function open(t: TestContext, more: Partial<Parameters<typeof sandboxWith>[2]> = {}, deadline = 60_000) {
  const { upstream, ...rest } = sandboxWith(t, { ...keeping, deadline }, more);
  const say = async (echo: string, who: Partial<UpstreamCall> = {}, meta = {}): Promise<string> => {
    const params = Buffer.from(JSON.stringify({ name: 'echo', arguments: { echo }, _meta: meta }));
    return textOf(await upstream.call(aCall({ params, ...who })));
  };
  return { ...rest, say };
}

const lost = (detail: RegExp) => ({ code: 'state-lost', detail });

test('what a call leaves is there for the next one of its session, and for nobody else', async (t) => {
  verifies('sandbox.isolation');
  const { say } = open(t);
  const [one, two] = [someSession('one'), someSession('two')];
  await say('note secret', { session: one });
  assert.equal(await say('read', { session: one }), 'secret');
  assert.equal(await say('read', { session: two }), 'nothing');
  assert.equal(await say('read'), 'nothing');
  assert.equal(await say('read', { subject: 'mallory' }), 'nothing');
});

test("another subject that names someone's session gets a sandbox of its own (session fixation)", async (t) => {
  verifies('sandbox.isolation');
  const { say } = open(t);
  await say('note secret', { session: someSession('fixed') });
  assert.equal(await say('read', { subject: 'mallory', session: someSession('fixed') }), 'nothing');
  await say('note planted', { subject: 'mallory', session: someSession('fixed') });
  assert.equal(await say('read', { session: someSession('fixed') }), 'secret');
});

test('subjects and sessions that are spelled to collide do not share one', async (t) => {
  const { say } = open(t);
  await say('note secret', { subject: 'a","b', session: someSession('c') });
  for (const [subject, key] of [
    ['a', 'b","c'],
    ['a","b","c', undefined],
    ['a","b', 'null'],
  ] as const)
    assert.equal(await say('read', { subject, session: key === undefined ? undefined : someSession(key) }), 'nothing');
});

test('a client without sessions keeps its state by its subject', async (t) => {
  const { say, clock } = open(t);
  await say('note mine');
  assert.equal(await say('read'), 'mine');
  clock.pass(IDLE - 1);
  assert.equal(await say('read'), 'mine');
  clock.pass(IDLE);
  assert.equal(await say('read'), 'nothing');
});

test('the sandbox dies with its session, and what runs in it too', async (t) => {
  verifies('sandbox.isolation');
  const { say, pool } = open(t, { idle: 0 });
  const session = someSession('one');
  const started = Promise.withResolvers<void>();
  const held = say('hold it', { session, notify: () => started.resolve() });
  await started.promise;
  session.end();
  await assert.rejects(held, lost(/session has ended/));
  await until(() => pool.state.live === 0);
});

test('a crash fails the call as lost state, and the next one begins afresh', async (t) => {
  const { say } = open(t);
  const who = { session: someSession('one') };
  await say('note secret', who);
  await assert.rejects(say('crash', who), lost(/exited \(code 7/));
  assert.equal(await say('read', who), 'nothing');
});

test('a crash between two calls is told once, instead of an answer without memory', async (t) => {
  const { say, events } = open(t);
  const who = { session: someSession('one') };
  await say('note secret', who);
  await say('crash-afterwards', who);
  await until(() => events.some((event) => 'event' in event && event.event === 'sandbox-kept-ended'));
  await assert.rejects(say('read', who), lost(/exited \(code 8.*before this call/));
  assert.equal(await say('read', who), 'nothing');
});

test('a session that goes on after the idle end is told that its state is gone', async (t) => {
  const { say, clock } = open(t);
  const who = { session: someSession('one') };
  await say('note secret', who);
  clock.pass(IDLE);
  await assert.rejects(say('read', who), lost(/not used any more/));
  assert.equal(await say('read', who), 'nothing');
});

test('the deadline of one call kills the sandbox under all of them', async (t) => {
  const { say } = open(t, {}, 400);
  const who = { session: someSession('one') };
  const calls = await Promise.allSettled([say('hold one', who), say('hold two', who)]);
  for (const call of calls) assert.ok(call.status === 'rejected' && call.reason.code === 'state-lost', String(call));
  assert.equal(await say('read', who), 'nothing');
});

test('calls of one session go on at the same time, and each hears of its own progress', async (t) => {
  const { say } = open(t);
  const session = someSession('one');
  const told: string[] = [];
  const hearing = (name: string) => ({
    session,
    notify: (message: string) => void (message.includes('progress') && told.push(name)),
  });
  const first = say('hold first', hearing('first'), { progressToken: 1 });
  const second = say('hold second', hearing('second'), { progressToken: '1' });
  await say('let second', hearing('third'), { progressToken: 3 });
  await say('let first', hearing('fourth'));
  assert.deepEqual(await Promise.all([first, second]), ['let first', 'let second']);
  assert.deepEqual(told, ['second', 'first']);
});

test('progress under a token that two calls gave is nobody’s', async (t) => {
  const { say } = open(t);
  const told: string[] = [];
  const hearing = { notify: (message: string) => void (message.includes('progress') && told.push(message)) };
  const calls = [say('hold a', hearing, { progressToken: 1 }), say('hold b', hearing, { progressToken: 1 })];
  await say('let a', hearing);
  await say('let b', hearing);
  await Promise.all(calls);
  assert.equal(told.length, 1);
});

test('a call that is cancelled leaves the sandbox to the others, and the server is told', async (t) => {
  const { say } = open(t);
  const session = someSession('one');
  const controller = new AbortController();
  const started = Promise.withResolvers<void>();
  await say('note kept', { session });
  const held = say('hold it', { session, signal: controller.signal, notify: () => started.resolve() });
  await started.promise;
  controller.abort();
  await assert.rejects(held, { code: 'upstream', detail: 'cancelled by the caller' });
  assert.match(await say('cancelled', { session }), /^\d+$/);
  assert.equal(await say('let it', { session }), 'ok');
  assert.equal(await say('read', { session }), 'kept');
});

test('what the server asks is answered by the session, while other calls go on', async (t) => {
  const { say } = open(t);
  const session = someSession('one');
  const asked = Promise.withResolvers<() => void>();
  const ask = () =>
    new Promise<{ kind: 'result'; raw: string }>((resolve) =>
      asked.resolve(() => resolve({ kind: 'result', raw: '{"roots":[]}' })),
    );
  const call = say('ask', { session, ask });
  const answer = await asked.promise;
  assert.equal(await say('read', { session }), 'nothing');
  answer();
  assert.equal(await call, '{"roots":[]}');
});

test('one subject cannot take the room of all: its own least used sandbox makes room, and is told', async (t) => {
  verifies('sandbox.isolation');
  const { say, pool } = open(t, { idle: 0 });
  const sessions = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(someSession);
  for (const session of sessions) await say(`note ${session.key}`, { session });
  await until(() => pool.state.live <= 4);
  assert.equal(await say('read', { session: sessions[7] }), 'h');
  await assert.rejects(say('read', { session: sessions[0] }), lost(/made room/));
  assert.equal(await say('read', { subject: 'bob' }), 'nothing');
});

test('a subject whose sandboxes are all at work is refused one more; another subject is served', async (t) => {
  const { say } = open(t);
  const controller = new AbortController();
  const calls = ['a', 'b', 'c', 'd'].map(
    (key) =>
      new Promise<void>((resolve) => {
        const session = someSession(key);
        const held = say('hold it', { session, signal: controller.signal, notify: () => resolve() });
        held.catch(() => {});
      }),
  );
  await Promise.all(calls);
  await assert.rejects(say('read', { session: someSession('e') }), { code: 'overload' });
  assert.equal(await say('read', { subject: 'bob' }), 'nothing');
  controller.abort();
});

test('a session at the gateway ends its sandbox in the runtime, and so does the loss of the link', async (t) => {
  verifies('sandbox.isolation');
  const driver = plainDriver();
  const { link, events } = await runtimeWith(t, [keeping], driver);
  const params = (echo: string) => Buffer.from(JSON.stringify({ name: 'echo', arguments: { echo } }));
  const say = async (echo: string, session: UpstreamSession) =>
    textOf(await link.call('tool', aCall({ params: params(echo), session })));
  const ended = () => events.filter((event) => 'event' in event && event.event === 'sandbox-kept-ended');
  const [one, two] = [someSession('one'), someSession('two')];
  await say('note first', one);
  await say('note second', two);
  one.end();
  await until(() => ended().length === 1);
  await assert.rejects(say('read', one), { code: 'unavailable' });
  assert.equal(await say('read', two), 'second');
  link.close();
  await until(() => ended().length === 2);
  await turn();
});
