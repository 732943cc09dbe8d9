import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { RpcAnswer, ServerRequest } from '../../src/contract/upstream.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { until } from '../support/until.ts';
import {
  callOf,
  events,
  json,
  keepingSessions,
  modern,
  remoteServer,
  textResult,
  upstreamOf,
} from './remote-server.ts';

const elicit = (id: unknown, message = 'sure?') => ({
  jsonrpc: '2.0',
  id,
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties: {} } },
});
const accepted: RpcAnswer = { kind: 'result', raw: '{"action":"accept","content":{"b":1,"a":1.0}}' };
const failed =
  (detail: RegExp, code = 'upstream') =>
  (error: unknown) => {
    assert.ok(error instanceof UpstreamFailure, String(error));
    assert.match(error.detail, detail);
    assert.equal(error.code, code);
    return true;
  };
const taken = (response: ServerResponse) => !!response.writeHead(202).end();

test('what a server asks in mid-call is answered under its own ids, in the session that asked', async (t) => {
  const answers: { headers: Record<string, unknown>; message: object }[] = [];
  let finish = () => {};
  const remote = await remoteServer(
    t,
    keepingSessions(({ method, headers, message }, response) => {
      if (method === 'GET') return false;
      if (message.method === undefined) {
        if (answers.push({ headers, message }) === 3) finish();
        return taken(response);
      }
      if (message.method !== 'tools/call') return false;
      const stream = events(response);
      for (const id of ['1', 1, 'ü"']) stream.send(elicit(id, String(id)));
      finish = () => {
        stream.send(textResult(message.id, 'done'));
        stream.end();
      };
      return true;
    }),
  );
  const asked: ServerRequest[] = [];
  const open: (() => void)[] = [];
  const ask = (request: ServerRequest): Promise<RpcAnswer> => {
    asked.push(request);
    return new Promise((resolve) => {
      open.push(() => resolve(accepted));
      // The last one asked is the first one answered.
      if (open.length === 3) for (const answer of open.toReversed()) answer();
    });
  };
  const upstream = upstreamOf(t, remote.settings);
  const answer = await upstream.call(callOf({ ask, capabilities: '{"elicitation":{}}' }));
  assert.equal(answer.raw, '{"content":[{"type":"text","text":"done"}]}');
  assert.deepEqual(
    asked.map(({ method, params }) => [method, JSON.parse(params).message]),
    ['1', '1', 'ü"'].map((id) => ['elicitation/create', id]),
  );
  assert.deepEqual(new Set(answers.map(({ message }) => (message as { id: unknown }).id)), new Set(['1', 1, 'ü"']));
  for (const { headers, message } of answers) {
    assert.equal(headers['mcp-session-id'], 'session-1');
    assert.equal(headers['mcp-protocol-version'], '2025-11-25');
    assert.deepEqual((message as { result: object }).result, { action: 'accept', content: { b: 1, a: 1 } });
  }
});

test('the deadline of a call stands still while its client is asked, and runs on afterwards', async (t) => {
  let answered = () => {};
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method === undefined) {
      answered();
      return taken(response);
    }
    if (message.method !== 'tools/call') return false;
    const stream = events(response);
    stream.send(elicit(1));
    const { echo } = (message.params as { arguments: { echo: string } }).arguments;
    if (echo === 'prompt') answered = () => stream.send(textResult(message.id, 'late'));
    return true;
  });
  const upstream = upstreamOf(t, remote.settings, { deadline: 1000 });
  const ask = () => new Promise<RpcAnswer>((resolve) => setTimeout(() => resolve(accepted), 1500));
  assert.match((await upstream.call(callOf({ ask, echo: 'prompt' }))).raw, /late/);
  await assert.rejects(upstream.call(callOf({ ask, echo: 'silent' })), failed(/no answer within 1000 ms/));
});

test('a question that the server takes back is not answered', async (t) => {
  let answer = (_: RpcAnswer) => {};
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method !== 'tools/call') return false;
    const stream = events(response);
    stream.send(elicit(7));
    stream.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } });
    stream.send(elicit(8));
    stream.send(textResult(message.id, 'never mind'));
    return stream.end();
  });
  const ask = () =>
    new Promise<RpcAnswer>((resolve) => {
      answer = resolve;
    });
  const upstream = upstreamOf(t, remote.settings);
  assert.match((await upstream.call(callOf({ ask }))).raw, /never mind/);
  // Neither the one taken back nor the one still open when the call ended.
  answer(accepted);
  await upstream.call(callOf({ method: 'prompts/get', echo: 'x' }));
  assert.equal(remote.heard.filter(({ message }) => message.result !== undefined).length, 0);
});

test('what is asked after the answer reaches nobody', async (t) => {
  let asked = 0;
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method !== 'tools/call') return false;
    const stream = events(response);
    stream.raw(`data: ${JSON.stringify(textResult(message.id, 'done'))}\n\ndata: ${JSON.stringify(elicit(1))}\n\n`);
    stream.send(elicit(2));
    return stream.end();
  });
  const upstream = upstreamOf(t, remote.settings);
  const ask = async () => {
    asked++;
    return accepted;
  };
  for (const echo of ['a', 'b', 'c']) await upstream.call(callOf({ ask, echo }));
  assert.equal(asked, 0);
});

test('a request on the stream of the session goes to the call that is under way for longest', async (t) => {
  let push = (_: object) => {};
  const waiting: (() => void)[] = [];
  const remote = await remoteServer(
    t,
    keepingSessions(({ method, message }, response) => {
      if (method === 'GET') {
        push = events(response).send;
        push({ jsonrpc: '2.0', id: 'p', method: 'ping' });
        push(elicit('too early'));
        return true;
      }
      if (message.result !== undefined && message.id !== ('p' as never)) for (const answer of waiting) answer();
      if (message.method !== 'tools/call') return false;
      waiting.push(() => json(response, textResult(message.id, 'done')));
      if (waiting.length === 2) push(elicit('q'));
      return true;
    }),
  );
  const upstream = upstreamOf(t, remote.settings);
  const heard: string[] = [];
  const ask = (who: string) => async () => {
    heard.push(who);
    return accepted;
  };
  const first = upstream.call(callOf({ ask: ask('first'), capabilities: '{"elicitation":{}}' }));
  await until(() => waiting.length > 0);
  const second = upstream.call(callOf({ ask: ask('second'), capabilities: '{"elicitation":{}}' }));
  await Promise.all([first, second]);
  assert.deepEqual(heard, ['first']);
  assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 1, 'one stream for the session');
  assert.ok(
    remote.heard.findIndex(({ method }) => method === 'GET') <
      remote.heard.findIndex(({ message }) => message.method === 'tools/call'),
    'it is open before the call',
  );
  const early = remote.heard.find(({ message }) => message.id === ('too early' as never));
  assert.ok(early?.message.error, 'nobody is asked outside of a call');
});

test('opens no stream where the client can be asked nothing', async (t) => {
  const remote = await remoteServer(
    t,
    keepingSessions(() => false),
  );
  const upstream = upstreamOf(t, remote.settings);
  await upstream.call(callOf());
  assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 0);
});

test('a server without such a stream is asked for it once in a session', async (t) => {
  const remote = await remoteServer(
    t,
    keepingSessions(() => false),
  );
  const upstream = upstreamOf(t, remote.settings);
  for (const echo of ['a', 'b', 'c']) await upstream.call(callOf({ echo, capabilities: '{"roots":{}}' }));
  assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 1);
});

test('ends a call whose server asks without end, and one that uses an id twice', async (t) => {
  let same = false;
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method !== 'tools/call') return false;
    const stream = events(response);
    let id = 0;
    const more = () => {
      for (let n = 0; n < 50 && !response.closed; n++) stream.send(elicit(same ? 1 : ++id));
      if (!response.closed) setImmediate(more);
    };
    more();
    return true;
  });
  const upstream = upstreamOf(t, remote.settings);
  const never = () => new Promise<RpcAnswer>(() => {});
  const at = process.memoryUsage().heapUsed;
  await assert.rejects(upstream.call(callOf({ ask: never })), failed(/more than 16 requests .* at the same time/));
  await assert.rejects(upstream.call(callOf({ ask: async () => accepted })), failed(/more than (100|16) requests/));
  same = true;
  await assert.rejects(upstream.call(callOf({ ask: never })), failed(/twice/));
  assert.ok(process.memoryUsage().heapUsed - at < 64 << 20);
});

test('calls that wait for their clients leave the connections of the others free', async (t) => {
  const remote = await remoteServer(t, ({ message }, response) => {
    const { echo } = (message.params as { arguments?: { echo: string } })?.arguments ?? {};
    if (message.method !== 'tools/call' || echo === 'plain') return false;
    events(response).send(elicit(1));
    return true;
  });
  const upstream = upstreamOf(t, remote.settings);
  const gone = new AbortController();
  const waiting: Promise<unknown>[] = [];
  const held = (subject: string, signal = gone.signal) =>
    new Promise<void>((resolve) => {
      const ask = () => {
        resolve();
        return new Promise<RpcAnswer>(() => {});
      };
      waiting.push(upstream.call(callOf({ ask, subject, signal })).catch((error) => error));
    });
  for (const subject of ['alice', 'bob', 'carol', 'dave']) for (let n = 0; n < 8; n++) await held(subject);
  await assert.rejects(upstream.call(callOf({ subject: 'alice' })), failed(/wait for their clients/, 'overload'));
  await assert.rejects(upstream.call(callOf({ subject: 'erin' })), failed(/wait for their clients/, 'overload'));
  assert.match((await upstream.call(callOf({ subject: 'erin', echo: 'plain' }))).raw, /plain/);
  gone.abort();
  await Promise.all(waiting);
  const last = new AbortController();
  await held('erin', last.signal);
  last.abort();
});

test('a caller who goes is told to an older server, and is a closed connection to a newer one', async (t) => {
  const told = Promise.withResolvers<unknown>();
  const older = await remoteServer(t, ({ message }, response) => {
    if (message.method === 'notifications/cancelled') told.resolve(message.params?.requestId);
    return message.method === 'tools/call' ? !!events(response) : false;
  });
  const closed = Promise.withResolvers<void>();
  const newer = await remoteServer(
    t,
    modern(({ message }, response) => {
      response.on('close', closed.resolve);
      return message.method === 'tools/call' ? !!events(response) : false;
    }),
  );
  for (const remote of [older, newer]) {
    const upstream = upstreamOf(t, remote.settings);
    const gone = new AbortController();
    const call = upstream.call(callOf({ signal: gone.signal }));
    await until(() => remote.asked('tools/call').length > 0);
    gone.abort();
    await assert.rejects(call, failed(/cancelled by the caller/));
  }
  assert.equal(await told.promise, older.asked('tools/call')[0]?.message.id);
  await closed.promise;
  assert.equal(newer.asked('notifications/cancelled').length, 0);
});

test('a request by a server of 2026-07-28 ends the call', async (t) => {
  const remote = await remoteServer(
    t,
    modern((_, response) => {
      events(response).send(elicit(1));
      return true;
    }),
  );
  const upstream = upstreamOf(t, remote.settings);
  let asked = false;
  const ask = async () => {
    asked = true;
    return accepted;
  };
  await assert.rejects(upstream.call(callOf({ ask })), failed(/a request \(removed/));
  assert.equal(asked, false);
});

test('sets the level of log messages once in a session, and again when a call wants another one', async (t) => {
  const remote = await remoteServer(
    t,
    keepingSessions(() => false, { tools: {}, logging: {} }),
  );
  const upstream = upstreamOf(t, remote.settings);
  const levels: (string | undefined)[] = [undefined, 'info', 'info', undefined, 'debug', 'debug'];
  for (const logLevel of levels) await upstream.call(callOf({ logLevel }));
  await upstream.call(callOf({ logLevel: 'debug', subject: 'bob' }));
  const set = remote
    .asked('logging/setLevel')
    .map(({ headers, message }) => [headers['mcp-session-id'], message.params]);
  assert.deepEqual(set, [
    ['session-1', { level: 'info' }],
    ['session-1', { level: 'debug' }],
    ['session-2', { level: 'debug' }],
  ]);
});
