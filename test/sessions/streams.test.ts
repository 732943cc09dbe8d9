import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import { verifies } from '../support/verifies.ts';
import { framed, head, openSessions, request, settled, type TestStream } from './support.ts';

const taken = (error: unknown) => error instanceof Refusal && error.code === 'stream-taken';

/** Raw id of the last request that a stream has carried. */
function askedId(data: readonly string[]): string {
  const asked = data.findLast((text) => text.includes('"roots/list"')) ?? '{}';
  return JSON.stringify(JSON.parse(asked).id);
}

test('a stream that becomes one is primed first (2025-11-25), and its last event is the answer', () => {
  const { sessions, open } = openSessions();
  const { call, stream } = request('1', { session: open() });
  const { caller, answered } = sessions.attend(call);
  assert.equal(stream.state, 'idle');
  caller.notify('{"n":1}');
  answered('{"r":1}');
  caller.notify('{"n":2}');
  answered('{"r":2}');
  const [primer, ...rest] = stream.sent;
  assert.deepEqual([primer?.data, primer?.retry, typeof primer?.id], ['', 1000, 'string']);
  assert.deepEqual(
    rest.map(({ data }) => data),
    ['{"n":1}', '{"r":1}'],
  );
  assert.equal(new Set(stream.sent.map(({ id }) => id)).size, 3);
  assert.equal(stream.state, 'closed');
});

test('older clients get no event without data, and can come back all the same', async () => {
  const { sessions, open } = openSessions();
  for (const revision of ['2025-03-26', '2025-06-18'] as const) {
    const wish = { session: open({ revision }), revision };
    const { call, stream } = request('1', wish);
    const { caller, answered } = sessions.attend(call);
    caller.notify('{"n":1}');
    stream.cut();
    assert.equal(caller.signal.aborted, false);
    answered('{"r":1}');
    assert.deepEqual(
      stream.sent.map(({ data }) => data),
      ['{"n":1}'],
    );
    const back = head({ ...wish, lastEventId: stream.lastId });
    await sessions.listen(back.call);
    assert.deepEqual(
      back.stream.sent.map(({ data }) => data),
      ['{"r":1}'],
    );
  }
});

test('an answer that has not become a stream stays what it is, also when its client has gone', () => {
  const { sessions, open } = openSessions();
  const session = open();
  const [plain, lost] = [request('1', { session }), request('2', { session })];
  sessions.attend(plain.call).answered('{}');
  const { caller, answered } = sessions.attend(lost.call);
  lost.stream.cut();
  caller.notify('{}');
  answered('{}');
  assert.deepEqual([plain.stream.sent, lost.stream.sent], [[], []]);
});

test('a question to a client that went away before it had anything to come back with is refused at once', async () => {
  const { sessions, open } = openSessions();
  const { call, stream } = request('1', { session: open() });
  const { caller } = sessions.attend(call);
  stream.cut();
  await assert.rejects(caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve(), /has gone/);
});

test('a client that comes back while its old connection hangs gets the stream, and a question it missed', async () => {
  const { sessions, open } = openSessions();
  const wish = { session: open() };
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  caller.notify('{"n":1}');
  const seen = stream.lastId;
  const asked = caller.ask?.({ method: 'roots/list', params: '{}' });
  const back = head({ ...wish, lastEventId: seen });
  const listening = sessions.listen(back.call);
  assert.deepEqual([stream.state, back.stream.state], ['closed', 'open']);
  assert.equal(JSON.parse(back.stream.data[0] ?? '').method, 'roots/list');
  sessions.receive(framed({ id: askedId(back.stream.data), response: { kind: 'error', raw: '{}' } }, wish).call);
  assert.deepEqual(await asked, { kind: 'error', raw: '{}' });
  answered('{"r":1}');
  await listening;
  assert.deepEqual([back.stream.data.length, back.stream.data.at(-1), back.stream.state], [2, '{"r":1}', 'closed']);
});

test('a client that has it all is told to stop coming back', async () => {
  const { sessions, open } = openSessions();
  const wish = { session: open() };
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  caller.notify('{"n":1}');
  answered('{"r":1}');
  const back = head({ ...wish, lastEventId: stream.lastId });
  assert.equal((await sessions.listen(back.call)).status, 204);
  assert.equal(back.stream.state, 'idle');
});

test('a cancelled call is aborted, says nothing more, and gets no answer on its stream', async () => {
  const { sessions, open } = openSessions();
  const wish = { session: open() };
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  const asked = caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve();
  const refused = assert.rejects(asked, /cancelled/);
  const other = request('2', wish);
  const others = sessions.attend(other.call).caller.ask?.({ method: 'roots/list', params: '{}' });
  sessions.receive(framed({ method: 'notifications/cancelled', params: { requestId: 1 } }, wish).call);
  await refused;
  assert.equal(caller.signal.aborted, true);
  caller.notify('{"n":1}');
  await assert.rejects(caller.ask?.({ method: 'roots/list', params: '{}' }) ?? Promise.resolve(), /over/);
  answered('{"error":1}');
  sessions.receive(framed({ id: askedId(other.stream.data), response: { kind: 'result', raw: '{}' } }, wish).call);
  assert.equal((await others)?.kind, 'result');
  assert.deepEqual(
    stream.data.map((data) => JSON.parse(data).method),
    ['roots/list', 'notifications/cancelled'],
  );
  assert.equal(stream.state, 'closed');
});

test('the calls of a batch share its stream, which ends with the last answer', () => {
  const { sessions, open } = openSessions();
  const revision = '2025-03-26';
  const session = open({ revision });
  const post = head({ session, revision });
  const [one, two] = ['1', '2'].map((id) =>
    sessions.attend(framed({ id, method: 'tools/call' }, { revision }, post).call),
  );
  one?.caller.notify('{"n":1}');
  one?.answered('{"r":1}');
  assert.equal(post.stream.state, 'open');
  two?.answered('{"r":2}');
  assert.deepEqual([post.stream.data, post.stream.state], [['{"n":1}', '{"r":1}', '{"r":2}'], 'closed']);
});

test('news wait for the stream of a GET, each once; one such stream at a time, which its own client may take over', async () => {
  const { sessions, open } = openSessions();
  const wish = { session: open({ server: 'files' }), server: 'files' };
  sessions.each((session) => {
    assert.deepEqual([session.subject.id, session.server, session.revision], ['alice', 'files', '2025-11-25']);
    for (const message of ['{"tools":1}', '{"prompts":1}', '{"tools":1}']) session.notify(message);
  });
  const first = head(wish);
  void sessions.listen(first.call);
  assert.deepEqual(first.stream.data, ['{"tools":1}', '{"prompts":1}']);
  await assert.rejects(sessions.listen(head(wish).call), taken);
  const second = head({ ...wish, lastEventId: first.stream.lastId });
  void sessions.listen(second.call);
  assert.deepEqual([first.stream.state, second.stream.data], ['closed', []]);
  sessions.each(({ notify }) => notify('{"tools":1}'));
  second.stream.cut();
  sessions.each(({ notify }) => notify('{"prompts":2}'));
  const third = head(wish);
  void sessions.listen(third.call);
  assert.deepEqual([second.stream.data, third.stream.data], [['{"tools":1}'], ['{"prompts":2}']]);
});

test('only the calls of a session know what its client said of itself, and the level that it set', () => {
  const { sessions, open } = openSessions();
  const [wish, other] = [{ session: open({}, { elicitation: { form: {} } }) }, { session: open() }];
  const level = (name: unknown) => framed({ id: '1', method: 'logging/setLevel', params: { level: name } }, wish).call;
  for (const bad of ['loud', 'DEBUG', 1, undefined, 'toString']) {
    assert.throws(
      () => sessions.setLevel(level(bad)),
      (error) => error instanceof Refusal && error.code === 'params',
    );
  }
  sessions.setLevel(level('debug'));
  const { caller } = sessions.attend(request('1', wish).call);
  assert.deepEqual([caller.capabilities, caller.logLevel], [{ elicitation: { form: {} } }, 'debug']);
  const { caller: others } = sessions.attend(request('1', other).call);
  assert.deepEqual([others.capabilities, others.logLevel], [{}, undefined]);
});

test('HTTP+SSE: all goes out on the one stream, and the session ends with it', async () => {
  verifies('authn.edge');
  const { sessions } = openSessions();
  const get = head({ server: 'files', transport: 'sse', version: undefined });
  const listening = sessions.listenSse(get.call);
  const [endpoint] = get.stream.sent;
  assert.equal(endpoint?.event, 'endpoint');
  const [, path, session = ''] = /^(.*)\?session=([\w-]{43})$/.exec(endpoint?.data ?? '') ?? [];
  assert.equal(path, '/mcp/files/sse');
  const wish = { server: 'files', transport: 'sse', query: `session=${session}`, revision: '2024-11-05' } as const;

  const hello = framed({ id: '0', method: 'initialize', params: { capabilities: { roots: {} } } }, wish);
  sessions.attend(hello.call).answered('{"hello":1}');
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  assert.deepEqual(caller.capabilities, { roots: {} });
  stream.cut();
  const asked = caller.ask?.({ method: 'roots/list', params: '{}' });
  sessions.receive(framed({ id: askedId(get.stream.data), response: { kind: 'result', raw: '{}' } }, wish).call);
  assert.equal((await asked)?.kind, 'result');
  answered('{"r":1}');
  sessions.each(({ notify }) => notify('{"news":1}'));
  assert.deepEqual([get.stream.data[1], get.stream.data.slice(3)], ['{"hello":1}', ['{"r":1}', '{"news":1}']]);
  assert.ok(get.stream.sent.every(({ id }) => id === undefined));

  const unknown = (error: unknown) => error instanceof Refusal && error.code === 'unknown-session';
  const streamable = sessions.open(framed({ id: '0', method: 'initialize' }, { server: 'files' }).call);
  for (const foreign of [
    { ...wish, by: { ...get.call.subject, key: 'bob' } },
    { ...wish, server: 'notes' },
    { ...wish, query: '' },
    { ...wish, query: `session=${streamable}` },
    { server: 'files', session, version: undefined },
  ]) {
    assert.throws(() => sessions.attend(request('1', foreign).call), unknown, JSON.stringify(foreign));
  }
  const late = sessions.attend(request('2', wish).call).caller;
  get.stream.cut();
  await listening;
  assert.equal(late.signal.aborted, true);
  assert.throws(() => sessions.attend(request('3', wish).call), unknown);
});

/** A client that remembers what it saw of one stream; what was on its way when the connection broke never arrived. */
class Client {
  readonly seen: string[] = [];
  lastId = '';
  stream: TestStream;
  #read = 0;

  constructor(stream: TestStream) {
    this.stream = stream;
  }

  /** Takes in what was sent, but for the last `lost`. */
  read(lost = 0): void {
    const arrived = this.stream.sent.slice(this.#read, this.stream.sent.length - lost);
    this.#read += arrived.length;
    for (const { id, data } of arrived) {
      if (id !== undefined) this.lastId = id;
      if (data !== '') this.seen.push(data);
    }
  }

  reconnect(stream: TestStream): void {
    this.stream = stream;
    this.#read = 0;
  }
}

test('whatever is lost and taken up again, each stream’s events arrive once, in order, and nobody else’s do', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('say'), at: fc.nat(3), lost: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('break'), at: fc.nat(3), lost: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('return'), at: fc.nat(3), lost: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('answer'), at: fc.nat(3), lost: fc.constant(0) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { sessions, open } = openSessions();
      const wishes = [open(), open()].map((session) => ({ session }));
      // Three calls and the stream of a GET, in two sessions.
      const streams = [0, 1, 0].map((at, id) => {
        const { call, stream } = request(String(id), wishes[at]);
        const { caller, answered } = sessions.attend(call);
        return { say: caller.notify, answer: answered, client: new Client(stream), wish: wishes[at] ?? {}, said: [''] };
      });
      const get = head(wishes[1]);
      void sessions.listen(get.call);
      const notify = (message: string) =>
        sessions.each((session) => session.subject === get.call.subject && session.notify(message));
      streams.push({ say: notify, answer: notify, client: new Client(get.stream), wish: wishes[1] ?? {}, said: [''] });
      let count = 0;
      const over = new Set<number>();

      const say = (at: number, last: boolean) => {
        const stream = streams[at];
        if (stream === undefined || over.has(at)) return;
        const message = `{"stream":${at},"n":${count++}}`;
        stream.said.push(message);
        if (last && at !== 3) {
          over.add(at);
          stream.answer(message);
        } else stream.say(message);
      };
      const comeBack = (at: number, lost: number) => {
        const { client, wish } = streams[at] ?? {};
        if (client === undefined || wish === undefined) return;
        client.read(client.stream.state === 'closed' ? 0 : lost);
        if (client.lastId === '') return;
        const back = head({ ...wish, lastEventId: client.lastId });
        void sessions.listen(back.call);
        client.reconnect(back.stream);
      };

      for (let at = 0; at < 4; at++) {
        say(at, false);
        streams[at]?.client.read();
      }
      for (const { kind, at, lost } of steps) {
        const client = streams[at]?.client;
        if (kind === 'say') say(at, false);
        else if (kind === 'answer') say(at, true);
        else if (kind === 'return') comeBack(at, lost);
        else if (client?.stream.state === 'open') {
          client.read(Math.min(lost, client.stream.sent.length));
          client.stream.cut();
          client.stream.sent.length = 0;
          client.reconnect(client.stream);
        }
      }
      for (let at = 0; at < 4; at++) comeBack(at, 0);
      await settled();
      for (const { client, said } of streams) {
        client.read();
        assert.deepEqual(client.seen, said.slice(1));
      }
      sessions.close();
    }),
    { numRuns: 300 },
  );
});

test('a client that stays away loses the oldest events, never their order, and what is too large alone', async () => {
  const { sessions, open } = openSessions({ events: 4, bytes: 2000 });
  const wish = { session: open() };
  const { call, stream } = request('1', wish);
  const { caller, answered } = sessions.attend(call);
  caller.notify('{"n":0}');
  const lastEventId = stream.lastId;
  stream.cut();
  for (let n = 1; n < 10; n++) caller.notify(`{"n":${n}}`);
  caller.notify(`{"n":"${'x'.repeat(5000)}"}`);
  answered('{"r":1}');
  const back = head({ ...wish, lastEventId });
  await sessions.listen(back.call);
  assert.deepEqual(back.stream.data, ['{"n":7}', '{"n":8}', '{"n":9}', '{"r":1}']);
});

test('what a server floods one call with displaces no other call’s answer (A6)', async () => {
  const { sessions, open } = openSessions({ events: 8 });
  const wish = { session: open() };
  const [quiet, loud, louder] = ['1', '2', '3'].map((id) => request(id, wish));
  const [first, second, third] = [quiet, loud, louder].map((one) => one && sessions.attend(one.call));
  first?.caller.notify('{"n":1}');
  const lastId = quiet?.stream.lastId ?? '';
  quiet?.stream.cut();
  first?.answered('{"r":1}');
  for (let turn = 0; turn < 1000; turn++) for (const one of [second, third]) one?.caller.notify('{"flood":1}');
  const back = head({ ...wish, lastEventId: lastId });
  await sessions.listen(back.call);
  assert.deepEqual(back.stream.data, ['{"r":1}']);
});

test('kept events of all sessions are bounded: who has more than his share gives up his own', async () => {
  const { sessions, open } = openSessions({ totalBytes: 3000 });
  const say = (id: string, session: string, count: number) => {
    const { call, stream } = request(id, { session });
    const { caller, answered } = sessions.attend(call);
    caller.notify('{"n":0}');
    const lastEventId = stream.lastId;
    stream.cut();
    for (let n = 1; n < count; n++) caller.notify(`{"n":"${'x'.repeat(100)}"}`);
    answered('{"r":1}');
    return head({ session, lastEventId });
  };
  const quiet = say('1', open(), 2);
  const loud = say('1', open(), 100);
  await Promise.all([sessions.listen(quiet.call), sessions.listen(loud.call)]);
  assert.equal(quiet.stream.data.length, 2);
  const late = say('1', open(), 100);
  await sessions.listen(late.call);
  assert.ok(late.stream.data.length > 3, String(late.stream.data.length));
  assert.equal(late.stream.data.at(-1), '{"r":1}');
  await assert.rejects(sessions.listen(quiet.call), (error) => error instanceof Refusal);
  assert.ok(loud.stream.data.length > 5 && loud.stream.data.length < 15, String(loud.stream.data.length));
  assert.equal(loud.stream.data.at(-1), '{"r":1}');
});
