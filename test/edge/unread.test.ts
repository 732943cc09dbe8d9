import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, before, mock, test } from 'node:test';
import { eventStream } from '../../src/gateway/transport/event-stream.ts';
import { reply } from '../../src/gateway/transport/reply.ts';

/** More than kernels on both sides take in, and less than what may wait. */
const LARGE = 'x'.repeat(12 * 1024 * 1024);

let server: Server;
before(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

/** A client that reads nothing, and the responses to its pipelined requests. */
async function silent(requests: number): Promise<{ client: Socket; responses: readonly ServerResponse[] }> {
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = connect(address.port, '127.0.0.1').pause();
  client.on('error', () => {});
  const responses: ServerResponse[] = [];
  const all = Promise.withResolvers<void>();
  const arrived = (_request: unknown, response: ServerResponse): void => {
    if (responses.push(response) === requests) all.resolve();
  };
  server.on('request', arrived);
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(requests));
  await all.promise;
  server.off('request', arrived);
  return { client, responses };
}

test('a client that reads nothing of its stream is cut off, also where the stream has ended', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    for (const ends of [true, false]) {
      const { client, responses } = await silent(1);
      const [response] = responses;
      assert.ok(response !== undefined);
      const stream = eventStream(response);
      stream.send({ data: LARGE });
      if (ends) stream.end();
      const closed = once(response, 'close');
      mock.timers.tick(15_000);
      assert.ok(!response.destroyed && !response.req.socket.destroyed);
      mock.timers.tick(30_000);
      await closed;
      client.destroy();
    }
  } finally {
    mock.timers.reset();
  }
});

test('a stream that is read goes on, however long nothing is said on it', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const { client, responses } = await silent(1);
    const [response] = responses;
    assert.ok(response !== undefined);
    const stream = eventStream(response);
    for (let round = 0; round < 8; round++) {
      stream.send({ data: LARGE });
      const drained = once(response, 'drain');
      client.resume();
      await drained;
      client.pause();
      mock.timers.tick(15_000);
      assert.equal(stream.state, 'open');
    }
    client.destroy();
    await once(response, 'close');
  } finally {
    mock.timers.reset();
  }
});

test('an answer that waits behind a stream does not wait longer than one that nobody reads', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    const { client, responses } = await silent(2);
    const [stream, answer] = responses;
    assert.ok(stream !== undefined && answer !== undefined);
    client.resume();
    eventStream(stream).open();
    const closed = once(answer, 'close');
    reply(answer.req, answer, { status: 200, headers: {}, body: LARGE }, { bytes: 0, ms: 0 });
    mock.timers.tick(30_000);
    await closed;
    client.destroy();
  } finally {
    mock.timers.reset();
  }
});
