import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Refusal } from '../../src/contract/refusal.ts';
import { verifies } from '../support/verifies.ts';
import { bob, count, framed, head, openSessions, request, settled } from './support.ts';

const MINUTE = 60_000;

function gone(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'unknown-session';
}

/** Bytes that are reachable. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

test('no stream outlives its token; who comes back with a new one goes on, who does not finds the session ended', async () => {
  verifies('authn.edge');
  const { sessions, open, clock } = openSessions();
  const until = clock.now() + 10 * MINUTE;
  const wish = { session: open({ until }), until };
  const get = head(wish);
  const listening = sessions.listen(get.call);
  const post = request('1', wish);
  const { caller, answered } = sessions.attend(post.call);
  caller.notify('{"n":1}');
  clock.pass(10 * MINUTE - 1);
  assert.deepEqual([get.stream.state, post.stream.state], ['open', 'open']);
  clock.pass(1);
  await listening;
  assert.deepEqual([get.stream.state, post.stream.state], ['closed', 'closed']);
  caller.notify('{"n":2}');
  answered('{"r":1}');

  clock.pass(2 * MINUTE);
  const renewed = { session: wish.session, until: clock.now() + 10 * MINUTE };
  const back = head({ ...renewed, lastEventId: post.stream.lastId });
  await sessions.listen(back.call);
  assert.deepEqual(back.stream.data, ['{"n":2}', '{"r":1}']);

  const { ended } = sessions.attend(request('2', renewed).call).caller.session ?? {};
  clock.pass(15 * MINUTE);
  assert.equal(ended?.aborted, true);
  assert.throws(() => sessions.attend(request('3', { session: wish.session }).call), gone);
});

test('a token that has ended opens no stream, even when the timer is late', () => {
  verifies('authn.edge');
  const { sessions, open, clock } = openSessions();
  const wish = { session: open(), until: clock.now() };
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  caller.notify('{}');
  answered('{}');
  assert.deepEqual([stream.state, stream.sent], ['idle', []]);
});

test('a stream without a session ends with its token, or when that is revoked; what is no stream is answered', () => {
  verifies('authn.edge');
  const { sessions, clock } = openSessions();
  const wish = { revision: '2026-07-28', until: clock.now() + MINUTE } as const;
  const [listening, plain, revoked] = [request('1', wish), request('2', wish), request('3', { ...wish, by: bob })];
  const [first, second, third] = [listening, plain, revoked].map(({ call }) => sessions.attend(call));
  first?.caller.notify('{"n":1}');
  third?.caller.notify('{"n":1}');
  const signals = [first, second, third].map((attended) => attended?.caller.signal.aborted);
  assert.deepEqual(signals, [false, false, false]);
  sessions.revoke(({ key }) => key === bob.key);
  assert.deepEqual([third?.caller.signal.aborted, revoked.stream.state], [true, 'closed']);
  clock.pass(MINUTE);
  assert.deepEqual([first?.caller.signal.aborted, listening.stream.state], [true, 'closed']);
  second?.caller.notify('{"n":2}');
  assert.deepEqual([second?.caller.signal.aborted, plain.stream.state], [false, 'idle']);
  for (const attended of [first, second, third]) attended?.answered('{}');
  assert.equal(clock.timers, 0);
  const last = request('4', { revision: '2026-07-28' });
  const { caller } = sessions.attend(last.call);
  caller.notify('{}');
  sessions.close();
  assert.deepEqual([caller.signal.aborted, last.stream.state], [true, 'closed']);
});

test('a session ends when nothing has used it for half an hour, and not while a stream or a call is open', async () => {
  const { sessions, open, clock } = openSessions();
  const [idle, used, listened, busy] = [open(), open(), open(), open()];
  const get = head({ session: listened });
  const listening = sessions.listen(get.call);
  const { answered } = sessions.attend(request('1', { session: busy }).call);
  clock.pass(29 * MINUTE);
  sessions.attend(request('1', { session: used }).call).answered('{}');
  clock.pass(MINUTE);
  assert.throws(() => sessions.attend(request('2', { session: idle }).call), gone);
  assert.equal(count(sessions), 3);
  clock.pass(120 * MINUTE);
  assert.equal(count(sessions), 2);
  get.stream.cut();
  await listening;
  answered('{}');
  clock.pass(29 * MINUTE);
  assert.equal(count(sessions), 2);
  clock.pass(MINUTE);
  assert.deepEqual([count(sessions), clock.timers], [0, 0]);
});

test('a client that does not answer is told after five minutes that nobody waits any more', async () => {
  const { sessions, open, clock } = openSessions();
  const { call, stream } = request('1', { session: open() });
  const { caller } = sessions.attend(call);
  const asked = caller.ask?.({ method: 'sampling/createMessage', params: '{}' }) ?? Promise.resolve();
  const refused = assert.rejects(asked, (error) => error instanceof Refusal && error.code === 'upstream');
  clock.pass(5 * MINUTE);
  await refused;
  const told = JSON.parse(stream.data.at(-1) ?? '');
  const { id } = JSON.parse(stream.data.find((data) => data.includes('sampling/createMessage')) ?? '');
  assert.deepEqual([told.method, told.params.requestId], ['notifications/cancelled', id]);
});

test('one subject’s flood of sessions ends its own oldest, holds nothing, and leaves others alone', () => {
  const { sessions, open, clock } = openSessions();
  const kept = open({ by: bob });
  const first = open();
  const before = heap();
  for (let at = 0; at < 20_000; at++) {
    const wish = { session: open() };
    if (at % 5 > 0) continue;
    const { caller, answered } = sessions.attend(request('1', wish).call);
    caller.notify(`{"n":"${'x'.repeat(1000)}"}`);
    answered('{}');
    caller.session?.notify('{"changed":true}');
  }
  assert.deepEqual([count(sessions), clock.timers], [65, 65]);
  assert.ok(heap() - before < 8 * 1024 * 1024);
  assert.throws(() => sessions.attend(request('2', { session: first }).call), gone);
  sessions.attend(request('2', { session: kept, by: bob }).call);
});

test('the session that was used least recently is the one that makes room', () => {
  const { sessions, open } = openSessions({ perSubject: 2 });
  const [one, two] = [open(), open()];
  sessions.setLevel(framed({ id: '1', method: 'logging/setLevel', params: { level: 'info' } }, { session: one }).call);
  open();
  assert.equal(sessions.attend(request('1', { session: one }).call).caller.logLevel, 'info');
  assert.throws(() => sessions.attend(request('1', { session: two }).call), gone);
});

test('when there is no room at all, whoever has a session gives up his own, and whoever has none is refused', () => {
  const { sessions, open } = openSessions({ total: 2 });
  const session = open();
  const bobs = open({ by: bob });
  assert.throws(
    () => open({ by: { ...bob, id: 'carol', key: 'carol' } }),
    (error) => error instanceof Refusal && error.code === 'overload',
  );
  open({ by: bob });
  assert.throws(() => sessions.attend(request('1', { session: bobs, by: bob }).call), gone);
  sessions.attend(request('1', { session }).call);
});

test('calls and questions of one session are bounded, and no two calls share an id', async () => {
  const { sessions, open } = openSessions({ calls: 2, asks: 1 });
  const wish = { session: open() };
  const code = (expected: string) => (error: unknown) => error instanceof Refusal && error.code === expected;
  const { caller, answered } = sessions.attend(request('"a"', wish).call);
  assert.throws(() => sessions.attend(request('"\\u0061"', wish).call), code('invalid-request'));
  sessions.attend(request('2', wish).call);
  assert.throws(() => sessions.attend(request('3', wish).call), code('overload'));
  const first = assert.rejects(caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve(), /over/);
  await assert.rejects(caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve(), code('upstream'));
  answered('{}');
  await first;
  await settled();
  sessions.attend(request('3', wish).call);
});
