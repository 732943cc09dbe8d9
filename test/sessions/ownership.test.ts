import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { verifies } from '../support/verifies.ts';
import { alice, bob, count, framed, head, openSessions, request, settled, subject, type Wish } from './support.ts';

function refusedAs(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}

/** All that can be asked of a session, each way. */
function everyWay(sessions: ReturnType<typeof openSessions>['sessions'], wish: Wish): (() => unknown)[] {
  return [
    () => sessions.attend(request('1', wish).call),
    () => sessions.receive(framed({ method: 'notifications/cancelled', params: { requestId: 1 } }, wish).call),
    () => sessions.receive(framed({ id: '"asked"', response: { kind: 'result', raw: '{}' } }, wish).call),
    () => sessions.setLevel(framed({ id: '1', method: 'logging/setLevel', params: { level: 'info' } }, wish).call),
    () => sessions.listen(head({ ...wish, httpMethod: 'GET' }).call),
    () => sessions.end(head({ ...wish, httpMethod: 'DELETE' }).call),
  ];
}

async function refusesAll(sessions: ReturnType<typeof openSessions>['sessions'], wish: Wish, code: string) {
  for (const way of everyWay(sessions, wish)) {
    await assert.rejects(async () => way(), refusedAs(code), String(way));
  }
}

test('a session that is unknown, ended, of another subject, tenant or scope is refused alike', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const session = open({ server: 'files' });
  const ended = open({ server: 'files' });
  sessions.end(head({ session: ended, server: 'files' }).call);
  const foreign: Wish[] = [
    { session: 'x'.repeat(43), server: 'files' },
    { session: '', server: 'files' },
    { session: ended, server: 'files' },
    { session: `${session}, ${session}`, server: 'files' },
    { session, server: 'files', by: bob },
    { session, server: 'files', by: subject('alice', { tenant: 'other', key: 'issuer other alice' }) },
    { session, server: 'files', by: subject('alice', { tenant: 'other' }) },
    { session, server: 'notes' },
    { session },
  ];
  for (const wish of foreign) await refusesAll(sessions, wish, 'unknown-session');
  // Nobody's attempt has ended it.
  sessions.attend(request('1', { session, server: 'files' }).call).answered('{}');
});

test('a session cannot be fixed: an id that a client brings is never taken for a new one', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const planted = 'A'.repeat(43);
  const given = open({ session: planted });
  assert.notEqual(given, planted);
  assert.match(given, /^[\w-]{43}$/);
  assert.notEqual(open(), given);
  await refusesAll(sessions, { session: planted }, 'unknown-session');
  // A new beginning is not of the session that its header names.
  const hello = framed({ id: '0', method: 'initialize' }, { session: planted });
  assert.equal(sessions.attend(hello.call).caller.session, undefined);
  const bobs = open({ session: given, by: bob });
  assert.notEqual(bobs, given);
  await refusesAll(sessions, { session: given, by: bob }, 'unknown-session');
});

test('refuses a revision that is not the one of the session; where none is said, the session tells', async () => {
  const { sessions, open } = openSessions();
  const session = open({ revision: '2025-06-18' });
  await refusesAll(sessions, { session, version: '2025-11-25' }, 'protocol-version');
  const silent = request('1', { session, revision: '2025-03-26', version: undefined });
  assert.notEqual(sessions.attend(silent.call).caller.session, undefined);
});

test('refuses another subject its replay of an event, in his own session and in the one it was made for (A6)', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const wish = { session: open() };
  const { call, stream } = request('1', wish);
  const attended = sessions.attend(call);
  attended.caller.notify('{"secret":1}');
  const lastEventId = stream.sent[0]?.id ?? '';
  stream.cut();
  attended.answered('{"secret":2}');

  const own = { session: open({ by: bob }), by: bob };
  const other = { session: open() };
  for (const [asked, code] of [
    [{ ...own, lastEventId }, 'invalid-request'],
    [{ ...wish, by: bob, lastEventId }, 'unknown-session'],
    [{ ...other, lastEventId }, 'invalid-request'],
    [{ ...own, lastEventId: `${randomUUID()}.0` }, 'invalid-request'],
    [{ ...wish, lastEventId: `${lastEventId}0` }, 'invalid-request'],
    [{ ...wish, lastEventId: lastEventId.replace(/\d+$/, '3') }, 'invalid-request'],
    [{ ...wish, lastEventId: '' }, 'invalid-request'],
  ] as const) {
    const get = head({ ...asked, httpMethod: 'GET' });
    await assert.rejects(sessions.listen(get.call), refusedAs(code), JSON.stringify(asked));
    assert.deepEqual(get.stream.sent, []);
  }

  const back = head({ ...wish, lastEventId, httpMethod: 'GET' });
  await sessions.listen(back.call);
  assert.deepEqual(back.stream.data, ['{"secret":1}', '{"secret":2}']);
});

test('another session can neither answer what a client is asked, nor cancel its calls', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const [wish, other] = [{ session: open() }, { session: open() }];
  const { call, stream } = request('7', wish);
  const { caller } = sessions.attend(call);
  const asked = caller.ask?.({ method: 'elicitation/create', params: '{"message":"?"}' });
  const sent = JSON.parse(stream.data[0] ?? '');
  assert.deepEqual(sent, { jsonrpc: '2.0', id: sent.id, method: 'elicitation/create', params: { message: '?' } });

  const answer = (raw: string) => ({ id: JSON.stringify(sent.id), response: { kind: 'result', raw } }) as const;
  const cancelled = { method: 'notifications/cancelled', params: { requestId: 7 } };
  for (const foreign of [other, {}, { session: open({ by: bob }), by: bob }]) {
    sessions.receive(framed(answer('"forged"'), foreign).call);
    sessions.receive(framed(cancelled, foreign).call);
  }
  assert.equal(caller.signal.aborted, false);
  sessions.receive(framed(answer('{"action":"accept"}'), wish).call);
  assert.deepEqual(await asked, { kind: 'result', raw: '{"action":"accept"}' });
  sessions.receive(framed(answer('"again"'), wish).call);
  sessions.receive(framed(cancelled, wish).call);
  assert.equal(caller.signal.aborted, true);
});

test('a request without a session is nobody’s: it is neither asked nor cancelled by a message', () => {
  const { sessions } = openSessions();
  const { call, stream } = request('1');
  const { caller, answered } = sessions.attend(call);
  assert.deepEqual([caller.ask, caller.session, caller.capabilities], [undefined, undefined, {}]);
  sessions.receive(framed({ method: 'notifications/cancelled', params: { requestId: 1 } }).call);
  assert.equal(caller.signal.aborted, false);
  caller.notify('{"n":1}');
  answered('{"r":1}');
  assert.deepEqual(stream.sent, [{ data: '{"n":1}' }, { data: '{"r":1}' }]);
  assert.throws(() => sessions.end(head().call), refusedAs('http-method'));
});

test('a request of 2026-07-28 brings all with it, and a session id beside it counts for nothing', () => {
  const { sessions, open } = openSessions();
  const wish = { session: open({}, { sampling: {} }), revision: '2026-07-28' } as const;
  const meta = (level: unknown) => ({
    _meta: {
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
      'io.modelcontextprotocol/logLevel': level,
    },
  });
  const { call, stream } = framed({ id: '1', method: 'tools/call', params: meta('warning') }, wish);
  const { caller } = sessions.attend(call);
  assert.deepEqual([caller.capabilities, caller.logLevel], [{ elicitation: {} }, 'warning']);
  assert.deepEqual([caller.ask, caller.session], [undefined, undefined]);
  stream.cut();
  assert.equal(caller.signal.aborted, true);
  const bad = framed({ id: '1', method: 'tools/call', params: meta('loud') }, wish);
  assert.throws(() => sessions.attend(bad.call), refusedAs('params'));
});

test('what was begun with a revoked token ends, and nothing else', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const [first, second] = [subject('alice', { tokenId: 'first' }), subject('alice', { tokenId: 'second' })];
  const [renewed, kept, lost] = [open({ by: first }), open({ by: second }), open({ by: first })];
  const early = sessions.attend(request('1', { session: renewed, by: first }).call).caller;
  const stream = head({ session: renewed, by: first });
  const listening = sessions.listen(stream.call);
  const late = sessions.attend(request('2', { session: renewed, by: second }).call).caller;

  sessions.revoke(({ tokenId }) => tokenId === 'first');
  await listening;
  assert.deepEqual([early.signal.aborted, late.signal.aborted, stream.stream.state], [true, false, 'closed']);
  for (const session of [renewed, kept]) sessions.attend(request('9', { session, by: second }).call);
  assert.throws(() => sessions.attend(request('9', { session: lost, by: second }).call), refusedAs('unknown-session'));
});

test('a token that is revoked while its request is on record opens no stream', async () => {
  verifies('authn.edge');
  const { sessions, open } = openSessions();
  const session = open();
  const [get, sse] = [head({ session }), head({ server: 'files', transport: 'sse' })];
  sessions.revoke(({ tokenId }) => tokenId === alice.tokenId);
  await assert.rejects(sessions.listen(get.call), refusedAs('unauthenticated'));
  await assert.rejects(sessions.listenSse(sse.call), refusedAs('unauthenticated'));
  assert.deepEqual([get.stream.state, sse.stream.state, count(sessions)], ['idle', 'idle', 0]);
});

test('refuses more capabilities than a client can mean: they are kept as long as a session', () => {
  const { sessions, open } = openSessions();
  const many = { elicitation: { form: Array.from({ length: 10_000 }, () => ({})) } };
  assert.throws(() => open({}, many), refusedAs('params'));
  assert.equal(count(sessions), 0);
  const meta = { 'io.modelcontextprotocol/clientCapabilities': many };
  const call = framed({ id: '1', method: 'tools/call', params: { _meta: meta } }, { revision: '2026-07-28' }).call;
  assert.throws(() => sessions.attend(call), refusedAs('params'));
});

test('the end of a session ends its calls, its questions and its streams', async () => {
  for (const end of ['delete', 'close', 'revoke'] as const) {
    const { sessions, open, clock } = openSessions();
    const until = clock.now() + 60_000;
    const wish = { session: open({ until }), until };
    const { caller, answered } = sessions.attend(request('1', wish).call);
    const asked = assert.rejects(caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve(), /ended/);
    const get = head(wish);
    const listening = sessions.listen(get.call);
    if (end === 'delete') sessions.end(head(wish).call);
    else if (end === 'close') sessions.close();
    else sessions.revoke(({ key }) => key === alice.key);
    await Promise.all([asked, listening]);
    assert.deepEqual([caller.signal.aborted, caller.session?.ended.aborted, get.stream.state], [true, true, 'closed']);
    caller.notify('{}');
    caller.session?.notify('{}');
    answered('{}');
    await settled();
    assert.deepEqual([count(sessions), clock.timers], [0, 0]);
  }
});
