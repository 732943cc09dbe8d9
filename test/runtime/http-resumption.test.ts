import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { verifies } from '../support/verifies.ts';
import {
  callOf,
  events,
  keepingSessions,
  type Manners,
  remoteServer,
  textResult,
  upstreamOf,
} from './remote-server.ts';

const failed =
  (detail: RegExp, code = 'upstream') =>
  (error: unknown) => {
    assert.ok(error instanceof UpstreamFailure, String(error));
    assert.match(error.detail, detail);
    assert.equal(error.code, code);
    return true;
  };
const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
/** An event without data, which only carries an id (MCP 2025-11-25 transports, priming). */
const priming = (id: string, retry?: number) => `id: ${id}\n${retry === undefined ? '' : `retry: ${retry}\n`}data:\n\n`;

const sent = (_: unknown): true => true;

/** A server that begins an answer, breaks off, and goes on as `resume` says. */
function breakingOff(begin: (response: ServerResponse) => void, resume: Manners): Manners {
  return keepingSessions((heard, response) => {
    if (heard.method === 'GET') return resume(heard, response);
    if (heard.message.method !== 'tools/call') return false;
    begin(response);
    return true;
  });
}

test('comes back for an answer whose stream ended early, not before the time that the server named', async (t) => {
  let endedAt = 0;
  let cameAfter = 0;
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => {
        const stream = events(response);
        stream.raw(priming('a b:1', 400));
        stream.send(progress, { id: 'e-2' });
        stream.end();
        endedAt = performance.now();
      },
      ({ headers }, response) => {
        cameAfter = performance.now() - endedAt;
        const [call] = remote.asked('tools/call');
        const stream = events(response);
        stream.send(progress, { id: 'e-3', retry: 100 });
        // Breaks off once more, in the middle of an event this time.
        if (headers['last-event-id'] === 'e-2') response.write('data: {', () => response.destroy());
        else stream.send(textResult(call?.message.id, 'at last'));
        return true;
      },
    ),
  );
  const upstream = upstreamOf(t, remote.settings);
  const heard: string[] = [];
  const answer = await upstream.call(callOf({ notify: (message) => heard.push(message) }));
  assert.match(answer.raw, /at last/);
  assert.equal(heard.length, 3);
  assert.ok(cameAfter >= 100);
  const gets = remote.heard.filter(({ method }) => method === 'GET');
  assert.deepEqual(
    gets.map(({ headers }) => [headers['last-event-id'], headers['mcp-session-id'], headers['mcp-protocol-version']]),
    [
      ['e-2', 'session-1', '2025-11-25'],
      ['e-3', 'session-1', '2025-11-25'],
    ],
  );
  assert.equal(remote.asked('tools/call').length, 1);
});

test('waits as long as the server says before it comes back', async (t) => {
  let ended = 0;
  let came = 0;
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => {
        events(response).raw(priming('1', 500));
        response.end();
        ended = performance.now();
      },
      (_, response) => {
        came = performance.now();
        events(response).send(textResult(remote.asked('tools/call')[0]?.message.id, 'polled'));
        return true;
      },
    ),
  );
  assert.match((await upstreamOf(t, remote.settings).call(callOf())).raw, /polled/);
  assert.ok(came - ended >= 495, `${came - ended} ms`);
});

const unusable: readonly [name: string, first: string][] = [
  ['no event of which had an id', 'data:\n\n'],
  ['whose last id would alter the header', `${priming('1')}id: 1\u0001\ndata:\n\n`],
  ['whose last id would be trimmed on the way', `${priming('1')}id: 1 \ndata:\n\n`],
  ['whose last id is not ASCII', priming('ünï')],
  ['whose last id has 1,025 characters', priming('x'.repeat(1025))],
];
for (const [name, first] of unusable)
  test(`does not come back to a stream ${name}`, async (t) => {
    const remote = await remoteServer(
      t,
      breakingOff(
        (response) => {
          events(response).raw(first);
          response.end();
        },
        () => false,
      ),
    );
    const upstream = upstreamOf(t, remote.settings);
    await assert.rejects(upstream.call(callOf()), failed(/ended without the answer/));
    assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 0);
  });

test('refuses an event id of 1 MB before it has arrived', async (t) => {
  verifies('output.size');
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => events(response).raw(`id: ${'x'.repeat(1 << 20)}`),
      () => false,
    ),
  );
  await assert.rejects(
    upstreamOf(t, remote.settings).call(callOf()),
    failed(/event of more than 100000 bytes/, 'size'),
  );
});

test('gives up on a stream that ends again and again and brings nothing', async (t) => {
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => {
        events(response).raw(priming('1', 0));
        response.end();
      },
      (_, response) => events(response).end(),
    ),
  );
  const upstream = upstreamOf(t, remote.settings);
  await assert.rejects(upstream.call(callOf()), failed(/again and again/));
  assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 5);
});

test('a stream that ends again and again with a new event each time ends with the deadline', async (t) => {
  let last = 1;
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => {
        events(response).raw(priming('1', 0));
        response.end();
      },
      (_, response) => {
        const stream = events(response);
        stream.raw(priming(String(++last), 0));
        return stream.end();
      },
    ),
  );
  const upstream = upstreamOf(t, remote.settings, { deadline: 1000 });
  await assert.rejects(upstream.call(callOf()), failed(/no answer within 1000 ms/));
  assert.ok(last <= 12, `came back ${last} times`);
});

test('a wait that outlasts every timer is cut by the deadline', async (t) => {
  const remote = await remoteServer(
    t,
    breakingOff(
      (response) => {
        events(response).raw(priming('1', 99999999999999));
        response.end();
      },
      () => false,
    ),
  );
  const upstream = upstreamOf(t, remote.settings, { deadline: 400 });
  await assert.rejects(upstream.call(callOf()), failed(/no answer within 400 ms/));
  assert.equal(remote.heard.filter(({ method }) => method === 'GET').length, 0);
});

for (const [name, resume, detail] of [
  ['is unknown', (_, r) => !!r.writeHead(404).end(), /not resumed: HTTP status 404/],
  ['is no stream', (_, r) => !!r.writeHead(200, { 'content-type': 'application/json' }).end('{}'), /no event stream/],
  ['answers another request', (_, r) => sent(events(r).send(textResult(999, 'not yours'))), /id 999/],
  ['floods', (_, r) => sent(events(r).raw(': \n'.repeat(1 << 19))), /bytes of events/],
] as readonly [string, Manners, RegExp][])
  test(`a call whose resumption ${name} fails, and is not sent again`, async (t) => {
    const remote = await remoteServer(
      t,
      breakingOff((response) => {
        events(response).raw(priming('1', 0));
        response.end();
      }, resume),
    );
    const upstream = upstreamOf(t, remote.settings);
    await assert.rejects(upstream.call(callOf()), failed(detail, name === 'floods' ? 'size' : 'upstream'));
    assert.equal(remote.asked('tools/call').length, 1);
  });
