import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { connect as tcp } from 'node:net';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { Refusal } from '../../src/contract/refusal.ts';
import { createEdge } from '../../src/gateway/transport/edge.ts';
import { verifies } from '../support/verifies.ts';
import { type Bench, openBench } from './bench.ts';
import { certificate } from './certificate.ts';

let bench: Bench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const LIST = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
test('answers every request without a good token with the same 421, before anything else is looked at', async () => {
  verifies('authn.edge');
  const bad = [
    { body: LIST },
    { body: LIST, token: 'bad' },
    { body: LIST, token: 'eyJhbGciOiJub25lIn0.e30.' },
    { body: 'not json' },
    { path: '/mcp/files', body: LIST },
    { path: '/mcp/absent', body: LIST },
    { path: '/mcp/files/sse', method: 'GET' },
    { path: '/mcp/../admin', body: LIST },
    { path: '/mcp?access_token=good', body: LIST },
    { method: 'GET' },
    { method: 'DELETE' },
    { method: 'OPTIONS' },
    { method: 'PROPFIND' },
    { headers: { host: 'evil.example' }, body: LIST },
    { headers: { origin: 'https://evil.example' }, body: LIST },
    { headers: { 'content-type': 'text/plain' }, body: LIST },
    { headers: { expect: 'something-else' }, body: LIST },
    { headers: { authorization: ['Bearer good', 'Bearer good'] }, body: LIST },
    { body: Buffer.alloc(80 * 1024) },
  ];
  const seen = new Set<string>();
  for (const wish of bad) {
    const { status, headers, body } = await bench.send({ token: undefined, ...wish });
    const { date: _, ...rest } = headers;
    seen.add(JSON.stringify([status, rest, body]));
  }
  assert.equal(seen.size, 1, [...seen].join('\n'));
  assert.match([...seen].join(), /^\[421,/);
  assert.doesNotMatch([...seen].join(), /inc_|www-authenticate/i);
  assert.equal((await bench.send({ token: undefined, method: 'HEAD' })).status, 421);
});

test('gives 401 with the pointer to its metadata where the operator chose so (RFC 9728 §5.1)', async () => {
  verifies('authn.edge');
  const open = await openBench({ settings: { unauthenticated: 401, scope: 'mcp' } });
  try {
    const own = await open.send({ token: undefined, path: '/mcp/files', body: LIST });
    assert.equal(own.status, 401);
    const pointer = `https://localhost:${open.port}/.well-known/oauth-protected-resource/mcp/files`;
    const where = `resource_metadata="${pointer}", scope="mcp"`;
    const algorithms = 'ES256 EdDSA Ed25519 RS256 PS256';
    assert.equal(own.headers['www-authenticate'], `Bearer ${where}, DPoP algs="${algorithms}", ${where}`);
    const odd = await open.send({ token: undefined, path: '/mcp/"evil', body: LIST });
    assert.match(String(odd.headers['www-authenticate']), /resource\/mcp", scope="mcp"$/);

    const metadata = await open.send({
      token: undefined,
      method: 'GET',
      path: '/.well-known/oauth-protected-resource/mcp/files',
    });
    assert.equal(metadata.status, 200);
    const { resource, authorization_servers, ...more } = JSON.parse(metadata.body);
    assert.deepEqual(more, {
      scopes_supported: ['mcp'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: algorithms.split(' '),
      resource_name: 'innerkeep',
    });
    assert.deepEqual(
      [resource, authorization_servers],
      [`https://localhost:${open.port}/mcp/files`, ['https://idp.example']],
    );
  } finally {
    await open.close();
  }
});

test('serves no other path', async () => {
  for (const path of [
    '/',
    '/mcpx',
    '/MCP',
    '/%6dcp',
    '//mcp',
    '/healthz',
    '/admin',
    '/oauth/token',
    '/.well-known/jwks.json',
    '/.well-known/oauth-protected-resource/mcp/Bad',
    '/.well-known/oauth-protected-resource/other',
  ]) {
    assert.equal((await bench.send({ path, body: LIST })).status, 404, path);
  }
});

test('refuses a foreign Host and a foreign Origin (DNS rebinding)', async () => {
  verifies('transport.origin');
  const status = async (headers: Record<string, string | string[]>) =>
    (await bench.send({ headers, body: LIST })).status;
  const { port } = bench;
  assert.equal(await status({}), 200);
  assert.equal(await status({ host: `keep.test:${port}` }), 200);
  assert.equal(await status({ origin: 'https://app.example' }), 200);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost',
    'localhost:1',
    `127.0.0.1:${port}`,
    `localhost:${port}.evil.example`,
    '',
  ]) {
    assert.equal(await status({ host }), 403, host);
  }
  assert.equal(await status({ host: [`localhost:${port}`, 'evil.example'] }), 403);
  for (const origin of [
    'null',
    'https://evil.example',
    'http://app.example',
    'https://app.example.evil.example',
    'https://app.example, https://evil.example',
    `https://localhost:${port}.evil.example`,
  ]) {
    assert.equal(await status({ origin }), 403, origin);
  }
});

test('refuses what is not one JSON body of bounded size: 405, 415, 406, 413', async () => {
  const ask = async (wish: Parameters<Bench['send']>[0]) => {
    const { status, headers } = await bench.send({ body: LIST, ...wish });
    return { status, allow: headers.allow };
  };
  assert.deepEqual(await ask({ method: 'GET', body: '' }), { status: 405, allow: 'POST, GET, DELETE' });
  assert.deepEqual(await ask({ method: 'DELETE', body: '' }), { status: 405, allow: 'POST, GET, DELETE' });
  assert.equal((await ask({ headers: { 'content-type': 'text/plain' } })).status, 415);
  assert.equal((await ask({ headers: { 'content-type': 'application/json; charset=utf-16' } })).status, 415);
  assert.equal((await ask({ headers: { 'content-type': 'application/json; charset=UTF-8' } })).status, 200);
  assert.equal((await ask({ headers: { 'content-type': ['application/json', 'text/plain'] } })).status, 415);
  assert.equal((await ask({ headers: { 'content-encoding': 'gzip' } })).status, 415);
  assert.equal((await ask({ headers: { accept: 'text/html' } })).status, 406);
  assert.equal((await ask({ headers: { accept: 'application/json;q=0, */*' } })).status, 200);
  assert.equal((await ask({ headers: { accept: '*/*' } })).status, 200);
  const big = await bench.send({ body: Buffer.alloc(64 * 1024 + 1, 0x20) });
  assert.deepEqual([big.status, big.headers.connection], [413, 'close']);
  const chunked = await bench.send({
    body: Buffer.alloc(96 * 1024, 0x20),
    headers: { 'transfer-encoding': 'chunked' },
  });
  assert.deepEqual([chunked.status, chunked.headers.connection], [413, 'close']);
});

test('refuses a token in the query string, even beside a good one in the header (RFC 9700 §4.3.2)', async () => {
  for (const query of [
    'access_token=x',
    'a=1&token=x',
    'x=eyJhbGciOiJub25lIn0.e30.',
    '%61ccess_token=x',
    'ACCESS_TOKEN=x',
    'x=%65yJhbGciOiJub25lIn0.e30.',
  ]) {
    const { status } = await bench.send({ path: `/mcp?${query}`, body: LIST });
    assert.equal(status, 400, query);
    assert.equal(bench.refusals.at(-1)?.code, 'token-in-query');
    assert.doesNotMatch(String(bench.refusals.at(-1)?.message), /eyJ/);
  }
  assert.equal((await bench.send({ path: '/mcp?page=2', body: LIST })).status, 200);
});

test('gives up on a body that trickles, and answers', async (t) => {
  const impatient = await openBench({ limits: { body: 300 } });
  t.after(() => impatient.close());
  const { port } = impatient;
  const socket = connect({ host: '127.0.0.1', port, ca: impatient.identity.cert, servername: 'localhost' });
  await once(socket, 'secureConnect');
  socket.write(
    `POST /mcp HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
  );
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 408 /);
  await once(socket, 'close');
});

test('asks for a body that waits (100-continue) only after authentication', async () => {
  const ask = async (token: string) => {
    const socket = connect({ host: '127.0.0.1', port: bench.port, ca: bench.identity.cert, servername: 'localhost' });
    await once(socket, 'secureConnect');
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost:${bench.port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${LIST.length}\r\nExpect: 100-continue\r\n\r\n`,
    );
    const [first] = await once(socket, 'data');
    socket.destroy();
    return String(first).split('\r\n', 1)[0];
  };
  assert.equal(await ask('bad'), 'HTTP/1.1 421 Misdirected Request');
  assert.equal(await ask('good'), 'HTTP/1.1 100 Continue');
});

test('refuses a request that two readers would frame differently', async () => {
  const ask = async (head: string) => {
    const socket = connect({ host: '127.0.0.1', port: bench.port, ca: bench.identity.cert, servername: 'localhost' });
    await once(socket, 'secureConnect');
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost:${bench.port}\r\nAuthorization: Bearer good\r\n${head}\r\n\r\n`,
    );
    const [first] = await once(socket, 'data');
    socket.destroy();
    return String(first).split('\r\n', 1)[0];
  };
  assert.equal(await ask('Content-Length: 3\r\nTransfer-Encoding: chunked'), 'HTTP/1.1 400 Bad Request');
  assert.equal(await ask('Content-Length: 3\r\nContent-Length: 4'), 'HTTP/1.1 400 Bad Request');
  assert.equal(await ask('Content-Length: 3\nX: y'), 'HTTP/1.1 400 Bad Request');
  assert.equal(await ask('X : y'), 'HTTP/1.1 400 Bad Request');
});

test('closes, although connections are idle', async () => {
  const open = await openBench();
  const socket = connect({ host: '127.0.0.1', port: open.port, ca: open.identity.cert, servername: 'localhost' });
  await once(socket, 'secureConnect');
  // Whoever has not even begun to shake hands is no reason to stay either.
  const silent = tcp({ host: '127.0.0.1', port: open.port });
  await once(silent, 'connect');
  const closed = Promise.all([once(socket, 'close'), once(silent.resume(), 'close')]);
  await open.close();
  await closed;
});

test('cuts off who sends without end, who pipelines without end, and who says nothing', async () => {
  const open = await openBench({ limits: { headers: 300, body: 60_000, handshake: 300 }, execute: () => '{}' });
  try {
    const secure = async () => {
      const socket = connect({ host: '127.0.0.1', port: open.port, ca: open.identity.cert, servername: 'localhost' });
      socket.on('error', () => {});
      await once(socket, 'secureConnect');
      return socket;
    };
    const head = (token: string, rest: string) =>
      `POST /mcp HTTP/1.1\r\nHost: localhost:${open.port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${rest}\r\n\r\n`;

    const endless = await secure();
    endless.write(head('bad', 'Transfer-Encoding: chunked'));
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    let sent = 0;
    let answer = '';
    endless.on('data', (data) => {
      answer += data;
    });
    while (!endless.destroyed && sent < 1_000) {
      endless.write(chunk);
      sent++;
      await new Promise(setImmediate);
    }
    assert.ok(endless.destroyed || endless.closed, `still open after ${sent} chunks`);
    assert.match(answer, /^HTTP\/1\.1 421 /);

    const flood = await secure();
    const flooded = once(flood.resume(), 'close');
    flood.write(head('good', 'Content-Length: 5').repeat(50));
    await flooded;

    const silent = await secure();
    await once(silent.resume(), 'close');
    const raw = tcp({ host: '127.0.0.1', port: open.port });
    raw.resume();
    await once(raw, 'close');
  } finally {
    await open.close();
  }
});

test('refuses bodies beyond what all calls together may hold, those that wait for their answer included', async () => {
  verifies('input.bounds');
  const identity = await certificate('localhost');
  const answered = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const edge = createEdge({
    identity: { ...identity, serverNames: ['localhost'] },
    settings: () => ({ origin: '', serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 1024 }),
    issuers: () => [],
    report: () => {},
    now: () => 0,
    limits: { bodies: 1024 },
    handle: async ({ body }) => {
      try {
        await body();
        arrived.resolve();
        await answered.promise;
        return { status: 200, headers: {}, body: '' };
      } catch (error) {
        assert.ok(error instanceof Refusal && error.code === 'overload', String(error));
        return { status: 429, headers: {}, body: '' };
      }
    },
  });
  const port = await edge.listen('127.0.0.1', 0);
  const send = () =>
    new Promise<number | undefined>((resolve) => {
      const wish = {
        host: '127.0.0.1',
        port,
        ca: identity.cert,
        servername: 'localhost',
        path: '/mcp',
        method: 'POST',
      };
      request({ ...wish, agent: false }, (answer) => resolve(answer.resume().statusCode)).end('x'.repeat(800));
    });
  const first = send();
  await arrived.promise;
  assert.equal(await send(), 429);
  answered.resolve();
  assert.equal(await first, 200);
  await edge.close(0);
});

test('tells the call when its client has gone away', async () => {
  const gone = Promise.withResolvers<boolean>();
  const open = await openBench();
  const { identity, port } = open;
  await open.close();
  const edge = createEdge({
    identity: { ...identity, serverNames: ['localhost'] },
    settings: () => ({
      origin: `https://localhost:${port}`,
      serverNames: ['localhost'],
      allowedOrigins: [],
      unauthenticated: 421,
      maxBody: 1024,
    }),
    issuers: () => [],
    report: () => {},
    now: () => 0,
    handle: ({ signal, incident }) => {
      assert.match(incident, /^inc_[a-z2-9]{16}$/);
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          gone.resolve(true);
          resolve({ status: 200, headers: {}, body: 'late' });
        });
        socket.destroy();
      });
    },
  });
  const socket = connect({
    host: '127.0.0.1',
    port: await edge.listen('127.0.0.1', 0),
    ca: identity.cert,
    servername: 'localhost',
  });
  await once(socket, 'secureConnect');
  socket.write('POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  assert.equal(await gone.promise, true);
  await edge.close(0);
});

test('a fault inside is 500 without a word of what happened, and the edge lives on', async () => {
  const open = await openBench({
    execute: () => {
      throw new TypeError('secret detail');
    },
    issuer: async () => ({ status: 200, headers: { 'x-bad': 'a\r\nb' }, body: '' }),
  });
  try {
    const broken = await open.rpc('tools/call', { name: 'files__read' });
    assert.deepEqual([broken.status, broken.body], [500, '{"error":"internal error"}']);
    await assert.rejects(open.send({ path: '/oauth/token', token: undefined }));
    assert.equal((await open.rpc('ping')).status, 200);
    assert.deepEqual(open.events.filter(({ kind }) => kind === 'internal').length, 2);
  } finally {
    await open.close();
  }
});
