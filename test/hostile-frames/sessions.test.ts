import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { verifies } from '../support/verifies.ts';
import { CLOSE, clean, type Keep, PATIENT, WIDTH } from './support/keep.ts';
import { echo } from './support/mirror.ts';
import { enter, leave } from './support/mirrored.ts';
import { converse, each, RawSocket } from './support/raw-socket.ts';

let keep: Keep;
before(async () => {
  ({ keep } = await enter());
});
after(leave);

test('whatever stands in the headers of sessions and streams, for every method, is refused cleanly', async () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 80,
  });
  const value = fc.oneof(
    text,
    fc.uuid(),
    fc.constantFrom('', ' ', '0', '-1', '..', '0'.repeat(9000), 'a, b', '%00', '"', '=?base64?AA==?='),
  );
  const header = fc.tuple(
    fc.constantFrom(
      'Mcp-Session-Id',
      'Last-Event-ID',
      'MCP-Protocol-Version',
      'Mcp-Method',
      'Mcp-Name',
      'Mcp-Param-X',
      'Accept',
      'Origin',
      'Cookie',
    ),
    value,
  );
  const request = fc.record({
    method: fc.constantFrom('GET', 'DELETE', 'POST', 'OPTIONS', 'PUT', 'HEAD'),
    path: fc.constantFrom('/mcp', '/mcp/mirror', '/mcp/mirror/sse', '/mcp/nobody', '/mcp/sse'),
    headers: fc.array(header, { minLength: 1, maxLength: 4 }),
    accept: fc.constantFrom('text/event-stream', 'application/json, text/event-stream'),
  });
  const requests = fc.sample(request, { numRuns: 300, seed: 20260728 });
  await keep.undisturbed(echo, () =>
    each(requests, WIDTH, async ({ method, path, headers, accept }) => {
      const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join('');
      const body = method === 'POST' ? 'Content-Length: 2\r\n\r\n{}' : '\r\n';
      const head = `${method} ${path} HTTP/1.1\r\n${keep.credentials}\r\nContent-Type: application/json\r\nAccept: ${accept}\r\n`;
      const socket = await RawSocket.open(keep.peer);
      socket.bodiless = method === 'HEAD';
      socket.write(`${head}${lines}${body}`);
      const answer = await socket.next();
      const why = JSON.stringify({ method, path, lines, answer });
      if (typeof answer === 'object') {
        clean(answer, why);
        // Where a stream may be asked for, one may have been opened; nothing else succeeds.
        const stream = answer.headers.get('content-type') === 'text/event-stream';
        assert.ok(answer.status >= 400 || (method === 'GET' && stream), why);
      } else assert.equal(answer, 'closed', why);
      socket.destroy();
    }),
  );
});

/** A session of ours, where the edge keeps such a thing. */
async function session(): Promise<string | undefined> {
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
  const [welcome] = await converse(keep.peer, keep.post(body, CLOSE), PATIENT);
  assert.equal(welcome?.status, 200);
  return welcome.headers.get('mcp-session-id');
}

test('a session that is nearly one of ours, or somebody else’s, is not found', async (t) => {
  const own = await session();
  if (own === undefined) return t.skip('sessions: the edge gives none');
  const near = [
    own.slice(1),
    own.slice(0, -1),
    `${own}A`,
    own.toUpperCase(),
    own.toLowerCase(),
    `${own}, ${own}`,
    `"${own}"`,
  ];
  const stranger = await keep.product.token('--subject', 'mallory', '--tenant', 'acme');
  const wishes = [
    ...near.filter((id) => id !== own).map((id) => ({ id, token: keep.token })),
    { id: own, token: stranger },
  ];
  await keep.undisturbed(echo, () =>
    each(
      wishes.flatMap((wish) => ['GET', 'DELETE', 'POST'].map((method) => ({ ...wish, method }))),
      WIDTH,
      async ({ id, token, method }) => {
        const request = keep.post(
          method === 'POST' ? echo('x', 1) : '',
          `Mcp-Session-Id: ${id}\r\nLast-Event-ID: 1\r\n`,
        );
        const text = request.toString().replace('POST', method).replace(keep.token, token);
        const socket = await RawSocket.open(keep.peer);
        socket.write(text);
        const answer = await socket.next();
        socket.destroy();
        assert.ok(
          typeof answer === 'object' && [400, 404].includes(answer.status),
          JSON.stringify([method, id, answer]),
        );
      },
    ),
  );
});

test('in a session of ours, an event id that nobody gave opens a stream or is refused, and shows nothing', async (t) => {
  const own = await session();
  if (own === undefined) return t.skip('sessions: the edge gives none');
  const ids = fc.sample(fc.oneof(fc.uuid(), fc.nat().map(String), fc.base64String(), fc.constant('0'.repeat(2000))), {
    numRuns: 60,
    seed: 5,
  });
  await keep.undisturbed(echo, () =>
    each(ids, WIDTH, async (id) => {
      const socket = await RawSocket.open(keep.peer);
      socket.write(
        keep.post('', `Mcp-Session-Id: ${own}\r\nLast-Event-ID: ${id}\r\n`).toString().replace('POST', 'GET'),
      );
      const answer = await socket.next();
      socket.destroy();
      assert.ok(typeof answer === 'object', id);
      clean(answer, id);
      assert.ok(![202, 421].includes(answer.status), `${id}: ${answer.status}`);
    }),
  );
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
