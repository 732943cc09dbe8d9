import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeFrame, FrameReader, type FromRuntime, type ToRuntime } from '../../src/contract/runtime-link.ts';
import type { RpcAnswer, UpstreamCall } from '../../src/contract/upstream.ts';
import { RuntimeLink } from '../../src/gateway/execution/runtime-link.ts';
import { refused } from './support.ts';

interface Received {
  readonly head: ToRuntime;
  readonly body: string;
  send(head: FromRuntime, body?: string | Uint8Array): void;
}

/** A runtime that answers as the test says, on a real socket, and a link to it. */
async function runtime(t: TestContext, answer: (frame: Received) => void) {
  const directory = await mkdtemp(join(tmpdir(), 'innerkeep-'));
  const path = join(directory, 'runtime.sock');
  const sockets = new Set<Socket>();
  const frames: Received[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const reader = new FrameReader<ToRuntime>(1 << 20);
    socket.on('data', (chunk) => {
      for (const { head, body } of reader.push(chunk)) {
        const frame = {
          head,
          body: Buffer.from(body).toString(),
          send: (reply: FromRuntime, raw: string | Uint8Array = '') => void socket.write(encodeFrame(reply, raw)),
        };
        frames.push(frame);
        answer(frame);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const link = new RuntimeLink(path);
  t.after(async () => {
    link.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  });
  return { link, frames, drop: () => sockets.forEach((socket) => void socket.destroy()) };
}

function upstreamCall(more: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    method: 'tools/call',
    params: Buffer.from('{"name":"t"}'),
    subject: 'alice',
    session: undefined,
    capabilities: '{"roots":{}}',
    logLevel: undefined,
    headers: [],
    asTask: false,
    signal: new AbortController().signal,
    notify: () => {},
    ask: () => assert.fail('nobody was to be asked'),
    deferred: () => {},
    ...more,
  };
}

test('a call carries what its server may know, and its questions and notifications find it', async (t) => {
  const { link, frames } = await runtime(t, ({ head, body, send }) => {
    const { id } = head;
    if (head.kind === 'call') {
      send({ kind: 'notification', id }, '{"n":1}');
      send({ kind: 'notification', id: id + 1 }, '{"n":"not ours"}');
      send({ kind: 'ask', id, ask: 5, method: 'roots/list' }, '{ }');
    } else if (head.kind === 'reply') send({ kind: 'result', id }, `{"heard":${body}}`);
  });
  const notified: string[] = [];
  const answer = await link.call(
    'srv',
    upstreamCall({
      logLevel: 'info',
      notify: (message) => notified.push(message),
      ask: async (request) => ({ kind: 'result', raw: JSON.stringify(request) }),
    }),
  );
  assert.deepEqual(answer, { kind: 'result', raw: '{"heard":{"method":"roots/list","params":"{ }"}}' });
  assert.deepEqual(notified, ['{"n":1}']);
  const common = { server: 'srv', method: 'tools/call', subject: 'alice', capabilities: '{"roots":{}}' };
  assert.deepEqual(frames[0]?.head, { kind: 'call', id: 1, ...common, logLevel: 'info' });
  assert.deepEqual(frames[1]?.head, { kind: 'reply', id: 1, ask: 5, outcome: 'result' });
});

test('refuses what comes from zone 2 and is not UTF-8', async (t) => {
  const { link } = await runtime(t, ({ head, send }) =>
    send({ kind: 'result', id: head.id }, Uint8Array.of(0x22, 0xff, 0x22)),
  );
  await assert.rejects(link.call('srv', upstreamCall()), refused('upstream', /UTF-8/));
});

test('an unreadable question is answered by an error, an unreadable notification by nothing', async (t) => {
  const broken = Uint8Array.of(0x7b, 0xff, 0x7d);
  const { link } = await runtime(t, ({ head, body, send }) => {
    const { id } = head;
    if (head.kind === 'call') {
      send({ kind: 'notification', id }, broken);
      send({ kind: 'ask', id, ask: 1, method: 'roots/list' }, broken);
    } else if (head.kind === 'reply') send({ kind: head.outcome, id }, body);
  });
  const answer = await link.call('srv', upstreamCall({ notify: () => assert.fail('unreadable') }));
  assert.equal(answer.kind, 'error');
});

test('an answer that comes after its call has ended goes nowhere; a lost link ends everything', async (t) => {
  let answer: ((answer: RpcAnswer) => void) | undefined;
  const { link, frames, drop } = await runtime(t, ({ head, send }) => {
    if (head.kind === 'call') send({ kind: 'ask', id: head.id, ask: 1, method: 'roots/list' }, '{}');
  });
  const gone = new AbortController();
  const ask = () =>
    new Promise<RpcAnswer>((resolve) => {
      answer = resolve;
      gone.abort();
    });
  await assert.rejects(link.call('srv', upstreamCall({ signal: gone.signal, ask })), refused('unavailable', /gone/));
  answer?.({ kind: 'result', raw: '{}' });
  const dropping = () => {
    drop();
    return new Promise<RpcAnswer>(() => {});
  };
  const waiting = link.call('srv', upstreamCall({ ask: dropping }));
  await assert.rejects(waiting, refused('unavailable', /lost/));
  assert.deepEqual(
    frames.map(({ head }) => head.kind),
    ['call', 'cancel', 'call'],
  );
});

test('listening is told when it has begun, of every change, and of its end', async (t) => {
  const heard: string[] = [];
  const { link, frames } = await runtime(t, ({ head, send }) => {
    const { id } = head;
    if (head.kind !== 'listen') return;
    send({ kind: 'listening', id });
    send({ kind: 'notification', id }, '{"changed":1}');
    if (head.server === 'short') send({ kind: 'failed', id, code: 'isolation', detail: 'the sandbox ended' });
    if (head.server === 'odd') send({ kind: 'result', id }, '{}');
  });
  const over = new AbortController();
  const listening = (more: object = {}) => ({
    uris: ['file:///a', 'x://b'],
    subject: 'alice',
    signal: over.signal,
    ready: () => heard.push('ready'),
    notify: (message: string) => void heard.push(message),
    ...more,
  });
  await assert.rejects(link.listen('short', listening()), refused('isolation', /ended/));
  await assert.rejects(link.listen('odd', listening()), refused('upstream'));
  const broken = {
    notify: () => {
      throw new Error('cannot read this');
    },
  };
  await assert.rejects(link.listen('srv', listening(broken)), refused('upstream', /cannot read this/));
  const long = link.listen('srv', listening({ notify: () => over.abort() }));
  await long;
  assert.deepEqual(heard, ['ready', '{"changed":1}', 'ready', '{"changed":1}', 'ready', 'ready']);
  const { head, body } = frames[0] ?? {};
  assert.deepEqual(
    [head, body],
    [{ kind: 'listen', id: 1, server: 'short', subject: 'alice' }, '["file:///a","x://b"]'],
  );
  assert.equal(await link.describe('none', AbortSignal.abort()).catch((error) => error.code), 'unavailable');
});
