import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { API, ask, lease, loan, notes, rawApi, SECRET, say, speak, terminating, testApi } from './support.ts';

suite('what the egress proxy adds on the wire', () => {
  test('the credential reaches the API, and the answer comes back', async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t);
    const gate = await terminating(t, api);
    const lent = loan();
    gate.terminator.lend(lent);
    const { status, body } = await ask(gate, '/v1/notes?q=1', { method: 'POST', body: 'hello' });
    assert.deepEqual([status, body], [200, 'fine']);
    const [seen] = api.seen;
    assert.deepEqual(
      [seen?.url, seen?.headers.authorization, seen?.headers.host, seen?.body],
      ['/v1/notes?q=1', `Bearer ${SECRET}`, API, 'hello'],
    );
    assert.deepEqual(lent.uses, [{ ref: 'notes-api', host: API, path: '/v1/*' }]);
  });

  test('what the tool puts into the header is not let through, whether the rule matches or not', async (t) => {
    const api = await testApi(t);
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const own = { AUTHORIZATION: 'Bearer of-the-tool', authorization_: 'x', 'X-Kept': 'yes' };
    for (const path of ['/v1/a', '/v2/a']) await ask(gate, path, { headers: own });
    const underscored = { _: 'kept', Authorization: ['a', 'b'] as string[] };
    await ask(gate, '/v2/b', { headers: underscored });
    await ask(gate, '/v1/a', { method: 'DELETE', headers: own });
    assert.deepEqual(
      api.seen.map(({ headers }) => headers.authorization),
      [`Bearer ${SECRET}`, undefined, undefined, undefined],
    );
    assert.equal(api.seen[0]?.headers['x-kept'], 'yes');
    assert.equal(JSON.stringify(api.seen).includes('of-the-tool'), false);
  });

  const never = [
    '/v1',
    '/v1x/a',
    '/V1/a',
    '/v2/a',
    '/exact/',
    '/exact/more',
    '/a/v1/x',
    '/?/v1/x',
    '/%761/x',
    '/v2?a=/v1/x',
  ];
  test(`goes on without a credential where the path is another: ${never.length} paths`, async (t) => {
    const api = await testApi(t);
    const gate = await terminating(t, api);
    const lent = loan();
    gate.terminator.lend(lent);
    for (const path of never) assert.equal((await ask(gate, path)).status, 200, path);
    assert.deepEqual(
      api.seen.map(({ headers }) => headers.authorization),
      never.map(() => undefined),
    );
    assert.deepEqual(lent.uses, []);
  });

  const ambiguous = [
    '/v1/../admin',
    '/v1/./a',
    '/v1/..',
    '//v1/a',
    '/v1//a',
    '/v1/%2e%2e/admin',
    '/v1/%2E./admin',
    '/v1/..%2fadmin',
    '/v1/%2F..%2Fadmin',
    '/v1/%252e%252e/admin',
    '/v1/%25',
    '/v1/..;/admin',
    '/v1;a=b/x',
    '/v1/a;b',
    '/v1/..%3b/admin',
    '/v1/..\\admin',
    '/v1/..%5cadmin',
    '/v1/%c0%ae%c0%ae/admin',
    '/v1/%E0%80%AE%e0%80%ae/admin',
    '/v1/..%F0%80%80%AFadmin',
    '/v1/%00',
    '/v1/%0a',
    '/v1/%',
    '/v1/%2',
    '/v1/%zz',
    '/v1/"x',
    '/v1/<x>',
  ];
  test(`refuses a path that could be read in two ways: ${ambiguous.length} paths`, async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t);
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    for (const path of ambiguous) assert.equal((await ask(gate, path)).status, 403, path);
    assert.deepEqual(api.seen, []);
  });

  test('headers that turn the method or path into another, or cut the answer into pieces, do not go with it', async (t) => {
    const api = await testApi(t);
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const headers = {
      'X-HTTP-Method-Override': 'DELETE',
      X_HTTP_Method: 'DELETE',
      'X-Original-URL': '/admin',
      'X-Rewrite-URL': '/admin',
      Range: 'bytes=0-3',
      'Accept-Encoding': 'gzip, br',
      Connection: 'keep-alive, X-Mine, Authorization, Content-Length',
      'X-Mine': '1',
      TE: 'trailers',
      'Proxy-Authorization': 'x',
    };
    await ask(gate, '/v1/a', { method: 'POST', headers, body: 'x' });
    const { host, connection, ...rest } = api.seen[0]?.headers ?? {};
    assert.deepEqual(
      [host, connection, rest],
      [API, 'keep-alive', { authorization: `Bearer ${SECRET}`, 'accept-encoding': 'identity', 'content-length': '1' }],
    );
  });

  test('no credential is there before a call, and everything to the host is refused after it', async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t);
    const gate = await terminating(t, api);
    assert.equal((await ask(gate, '/v1/a')).status, 403);
    assert.equal((await ask(gate, '/health')).status, 200);
    gate.terminator.lend(loan());
    assert.equal((await ask(gate, '/v1/a')).status, 200);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    assert.equal((await ask(gate, '/health', { agent })).status, 200);
    gate.terminator.lend(undefined);
    // Also in a connection that was there before.
    assert.equal((await ask(gate, '/health', { agent })).status, 403);
    for (const path of ['/v1/a', '/health']) assert.equal((await ask(gate, path)).status, 403);
    assert.deepEqual(
      api.seen.map(({ headers }) => headers.authorization),
      [undefined, `Bearer ${SECRET}`, undefined],
    );
  });

  test('a lease ends after five minutes, or earlier by its own time, and cuts what is under way', async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t, (request, response) => {
      if (request.url === '/v1/slow') response.write('begun');
      else response.end('fine');
    });
    const gate = await terminating(t, api);
    for (const [until, passes] of [
      [Number.MAX_SAFE_INTEGER, 300_000],
      [gate.clock.now() + 300_000 + 1000, 1000],
    ] as const) {
      gate.terminator.lend(loan(lease({ until })));
      const socket = await speak(gate);
      const ended = once(socket, 'close');
      socket.on('error', () => {});
      socket.write(`GET /v1/slow HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
      while (!String((await once(socket, 'data'))[0]).includes('begun'));
      gate.clock.pass(passes - 1);
      assert.equal(socket.destroyed, false);
      gate.clock.pass(1);
      await ended;
      assert.equal((await ask(gate, '/v1/a')).status, 403);
    }
  });

  test('two sandboxes at once get each their own', async (t) => {
    const api = await testApi(t, (request, response) => response.end(request.headers.authorization));
    const [alice, bob] = [await terminating(t, api), await terminating(t, api)];
    alice.terminator.lend(loan(lease({ value: 'alices-own-secret' })));
    bob.terminator.lend(loan(lease({ value: 'bobs-very-own-secret' })));
    await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n % 2 === 0 ? alice : bob, `/v1/${n}`)));
    for (const { url, headers } of api.seen)
      assert.equal(
        headers.authorization,
        Number(url.slice(4)) % 2 === 0 ? 'Bearer alices-own-secret' : 'Bearer bobs-very-own-secret',
      );
    await assert.rejects(ask({ port: alice.port, ca: bob.ca }, '/v1/x'), /self-signed|unable to verify|issuer/);
  });

  test('several secrets of one host: each header its own, the first rule of a header wins', async (t) => {
    const api = await testApi(t);
    const id = { ...notes, ref: 'id', header: 'x-key-id', template: '{value}', paths: ['/v1/*'] };
    const other = { ...notes, ref: 'other', paths: ['/*'] };
    const gate = await terminating(t, api, { secrets: [notes, id, other] });
    gate.terminator.lend(
      loan(lease(), lease({ ref: 'id', value: 'the-key-id' }), lease({ ref: 'other', value: 'another-one' })),
    );
    await ask(gate, '/v1/a');
    await ask(gate, '/v2/a', { headers: { 'x-key-id': 'mine' } });
    assert.deepEqual(
      api.seen.map(({ headers }) => [headers.authorization, headers['x-key-id']]),
      [
        [`Bearer ${SECRET}`, 'the-key-id'],
        ['Bearer another-one', undefined],
      ],
    );
  });

  test('bodies of many megabytes stream both ways, and connections are kept', async (t) => {
    const api = await testApi(t, (_, response, body) => response.end(body));
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const body = '0123456789abcdef'.repeat(1 << 18);
    for (const more of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask(gate, '/v1/big', { method: 'POST', body, agent, headers: more });
      assert.ok(answer.body === body);
    }
    assert.equal(gate.dialled.length, 1);
  });

  test('an event stream is not held up', async (t) => {
    const api = await testApi(t, (_, response) => void response.write('data: one\n\n'));
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const socket = await speak(gate);
    socket.write(`GET /v1/events HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
    let heard = '';
    while (!heard.includes('data: one\n\n')) heard += (await once(socket, 'data'))[0];
    socket.destroy();
  });
});

suite('strict HTTP/1.1 inside', () => {
  const post = (rest: string) => `POST /v1/a HTTP/1.1\r\nHost: ${API}\r\n${rest}`;
  const attacks: Readonly<Record<string, string>> = {
    'Content-Length and Transfer-Encoding': post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    'Transfer-Encoding and Content-Length': post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n'),
    'two Content-Lengths': post('Content-Length: 1\r\nContent-Length: 1\r\n\r\na'),
    'a list as Content-Length': post('Content-Length: 1, 1\r\n\r\na'),
    'a sign in Content-Length': post('Content-Length: +1\r\n\r\na'),
    'two Transfer-Encodings': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    'chunked is not the last coding': post('Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'),
    'another coding': post('Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    'an unknown coding': post('Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'),
    'space before the colon': post('Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'),
    'a folded line': post('X: a\r\n b\r\n\r\n'),
    'a bare LF after a header': post('X: a\nY: b\r\n\r\n'),
    'a bare LF at the end': post('X: a\r\n\n'),
    'a bare CR in a value': post('X: a\rY: b\r\n\r\n'),
    'NUL in a value': post('X: a\0b\r\n\r\n'),
    'a bare LF after a chunk size': post('Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n'),
    'a bare LF after a chunk': post('Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n'),
    'a chunk size in another notation': post('Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n'),
    'two Hosts': `GET /v1/a HTTP/1.1\r\nHost: ${API}\r\nHost: ${API}\r\n\r\n`,
    'no Host': 'GET /v1/a HTTP/1.1\r\n\r\n',
    'the Host of another (domain fronting)': 'GET /v1/a HTTP/1.1\r\nHost: other.example.org\r\n\r\n',
    'another port in Host': `GET /v1/a HTTP/1.1\r\nHost: ${API}:8443\r\n\r\n`,
    'an absolute target': `GET https://other.example.org/v1/a HTTP/1.1\r\nHost: ${API}\r\n\r\n`,
    'an absolute target of the same host': `GET https://${API}/v1/a HTTP/1.1\r\nHost: ${API}\r\n\r\n`,
    'a fragment': `GET /v1/a#b HTTP/1.1\r\nHost: ${API}\r\n\r\n`,
    'HTTP/1.0': `GET /v1/a HTTP/1.0\r\nHost: ${API}\r\n\r\n`,
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    CONNECT: `CONNECT other.example.org:443 HTTP/1.1\r\nHost: other.example.org\r\n\r\n`,
    TRACE: `TRACE /v1/a HTTP/1.1\r\nHost: ${API}\r\n\r\n`,
    'an upgrade': `GET /v1/a HTTP/1.1\r\nHost: ${API}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    'bytes that are no request': '\x16\x03\x01\x02\x00\x01\x00',
  };
  for (const [name, bytes] of Object.entries(attacks)) {
    test(`refuses ${name}`, async (t) => {
      const api = await testApi(t);
      const gate = await terminating(t, api);
      gate.terminator.lend(loan());
      const heard = await say(gate, bytes);
      assert.match(heard, /^(HTTP\/1\.1 400 |$)/);
      await gate.settled();
      assert.deepEqual([api.seen, gate.reports.length > 0], [[], true]);
    });
  }

  test('a request behind another one is judged by itself, and answered in order', async (t) => {
    const api = await testApi(t, (request, response) => response.end(request.url));
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: ${API}\r\n${more}\r\n`;
    const heard = await say(gate, get('/v1/1') + get('/v2/2') + get('/v1/3', 'Connection: close\r\n'));
    assert.deepEqual(heard.match(/\/v\d\/\d/g), ['/v1/1', '/v2/2', '/v1/3']);
    assert.deepEqual(
      api.seen.map(({ headers }) => headers.authorization !== undefined),
      [true, false, true],
    );
  });

  test('HTTP/2 is refused by ALPN', async (t) => {
    const gate = await terminating(t, await testApi(t));
    await assert.rejects(speak(gate, API, ['h2']), /alert|no application protocol/i);
    const socket = await speak(gate, API, ['h2', 'http/1.1']);
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
  });

  test('a server name that is not the judged one is refused', async (t) => {
    const api = await testApi(t);
    const gate = await terminating(t, api, { name: 'other.example.org', names: [API, 'other.example.org'] });
    await assert.rejects(ask(gate, '/v1/a'));
    assert.deepEqual(api.seen, []);
  });
});

suite('an answer that the parser takes, and that cannot be written anew,', () => {
  const heads = ['000 OK', '099 OK', '101 Switching', '200 O\x01K', '200 O\x1b[2J', '200 \x7f'];
  for (const head of heads)
    test(`is a 502, and the proxy goes on: ${JSON.stringify(head)}`, async (t) => {
      verifies('sandbox.egress');
      const gate = await terminating(t, await rawApi(t, `HTTP/1.1 ${head}\r\nContent-Length: 2\r\n\r\nok`));
      gate.terminator.lend(loan());
      for (const method of ['GET', 'HEAD', 'POST'])
        assert.equal((await ask(gate, '/v1/a', { method })).status, 502, method);
      await gate.settled();
      assert.equal(gate.reports.length, 3);
    });
});

suite('TLS with the host', () => {
  test('a certificate for another name, or of an authority that was not declared, is refused', async (t) => {
    verifies('secrets.injection');
    const wrong = await testApi(t, undefined, ['other.example.org']);
    const gate = await terminating(t, wrong);
    gate.terminator.lend(loan());
    assert.equal((await ask(gate, '/v1/a')).status, 502);
    const stranger = await testApi(t);
    const second = await terminating(t, { port: stranger.port, ca: wrong.ca });
    second.terminator.lend(loan());
    assert.equal((await ask(second, '/v1/a')).status, 502);
    assert.deepEqual([wrong.seen, stranger.seen], [[], []]);
  });

  test('a host that hangs up, or cannot be reached, is a 502', async (t) => {
    const api = await testApi(t, (request) => request.socket.destroy());
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    assert.equal((await ask(gate, '/v1/a')).status, 502);
    const nobody = await terminating(t, { port: 1, ca: api.ca });
    assert.equal((await ask(nobody, '/v2/a')).status, 502);
  });
});
