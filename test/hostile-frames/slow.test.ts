import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { createEdge, type Edge } from '../../src/gateway/transport/edge.ts';
import { certificate } from '../edge/certificate.ts';
import { verifies } from '../support/verifies.ts';
import { clean } from './support/keep.ts';
import { type Peer, type RawAnswer, RawSocket } from './support/raw-socket.ts';

/** Bytes that all bodies together may hold; what slow clients never finish must not stay counted. */
const BODIES = 256 * 1024;

let edge: Edge;
let peer: Peer;
const aborted: string[] = [];
before(async () => {
  const identity = await certificate('localhost');
  edge = createEdge({
    identity: { ...identity, serverNames: ['localhost'] },
    settings: () => ({ origin: '', serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 64 * 1024 }),
    issuers: () => [],
    report: () => {},
    now: () => 0,
    limits: { handshake: 60_000, headers: 2_000, body: 2_000, keepAlive: 1_000, bodies: BODIES },
    handle: async ({ body, signal, query }) => {
      signal.addEventListener('abort', () => {
        if (query !== '') aborted.push(query);
      });
      try {
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: `{"error":"${(await body()).length} bytes"}`,
        };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const status = { 'body-timeout': 408, overload: 429 }[error.code as string] ?? 400;
        return { status, headers: {}, body: '' };
      }
    },
  });
  peer = { port: await edge.listen('127.0.0.1', 0), ca: identity.cert };
});
after(() => edge?.close(0));

const HEAD = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\n';

/** Sends `parts`, one each 20 milliseconds and for ever the last one, until the edge has had enough. */
async function trickle(...parts: readonly string[]): Promise<readonly (number | string)[]> {
  const socket = await RawSocket.open(peer);
  const said: (number | string)[] = [];
  let at = 0;
  const timer = setInterval(() => socket.write(parts[Math.min(at++, parts.length - 1)] ?? ''), 20);
  try {
    for (;;) {
      const answer = await socket.next();
      if (typeof answer === 'string') return [...said, answer];
      clean(answer, JSON.stringify(parts));
      said.push(answer.status);
    }
  } finally {
    clearInterval(timer);
    socket.destroy();
  }
}

test('cuts off, with a clean answer or none, who never comes to an end: request line, headers, body, chunks', async () => {
  const shapes: Readonly<Record<string, readonly string[]>> = {
    'a request line': ['P', 'O', 'S', 'T', ' ', '/', 'm'],
    'line ends before it': ['\r\n'],
    headers: [HEAD, 'X: y\r\n'],
    'one header': [`${HEAD}X: `, 'y'],
    'a body': [`${HEAD}Content-Length: 60000\r\n\r\n`, 'x'],
    'a body that does not begin': [`${HEAD}Content-Length: 60000\r\n\r\n`, ''],
    chunks: [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'],
    'a chunk size': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '0'],
    'a chunk extension': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1;`, 'x'],
    trailers: [`${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n`, 'X: y\r\n'],
    'what is to be continued': [`${HEAD}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n`, ''],
    nothing: [''],
  };
  const outcomes = await Promise.all(
    Object.entries(shapes).map(async ([name, parts]) => ({ name, said: await trickle(...parts) })),
  );
  for (const { name, said } of outcomes) {
    assert.equal(said.at(-1), 'closed', `${name}: ${said}`);
    const statuses = said.slice(0, -1).filter((status) => status !== 100);
    assert.ok(statuses.length <= 1 && statuses.every((status) => status === 408 || status === 400), `${name}: ${said}`);
  }
});

test('while a hundred slow clients hold what they can, another one is served at once, and all is given back', async () => {
  verifies('input.bounds');
  const slow = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const socket = await RawSocket.open(peer);
      socket.write(`${HEAD}Content-Length: 60000\r\n\r\n${'x'.repeat(2000)}`);
      return socket;
    }),
  );
  const whole = `${HEAD}Content-Length: 4\r\n\r\nfull`;
  const served = async (): Promise<RawAnswer | string> => {
    const socket = await RawSocket.open(peer);
    socket.write(whole);
    const answer = await socket.next();
    socket.destroy();
    return answer;
  };
  const meanwhile = await served();
  assert.ok(typeof meanwhile === 'object' && meanwhile.status === 200, JSON.stringify(meanwhile));
  for (const socket of slow) {
    for (let answer = await socket.next(); answer !== 'closed'; answer = await socket.next()) {
      assert.ok(typeof answer === 'object' && [408, 429].includes(answer.status), JSON.stringify(answer));
    }
  }
  // As much as all of them held, in a few bodies: nothing of theirs counts any more.
  const large = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = await RawSocket.open(peer);
      socket.write(`${HEAD}Content-Length: 60000\r\n\r\n${'x'.repeat(60_000)}`);
      const answer = await socket.next();
      socket.destroy();
      return typeof answer === 'object' ? answer.status : answer;
    }),
  );
  assert.deepEqual(large, [200, 200, 200]);
});

test('a call whose client hung up in the middle of it is told so', async () => {
  aborted.length = 0;
  const socket = await RawSocket.open(peer);
  socket.write('POST /mcp?hung-up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx');
  socket.end();
  for (let answer = await socket.next(); answer !== 'closed'; answer = await socket.next())
    assert.ok(typeof answer === 'object' && answer.status === 400, JSON.stringify(answer));
  assert.deepEqual(aborted, ['hung-up']);
});
