import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { callText } from '../support/http.ts';
import { verifies } from '../support/verifies.ts';
import { corporaAbsent, httpVectors, jsonDocuments } from './support/corpora.ts';
import { clean, Keep } from './support/keep.ts';
import { around, type Mirror, openMirror } from './support/mirror.ts';
import { converse, each, RawSocket } from './support/raw-socket.ts';

const POLICY = 'permit (principal in Tenant::"acme", action == Action::"mirror/echo", resource == Tenant::"acme");\n';
/** Connections at a time. */
const WIDTH = 12;

let mirror: Mirror;
let keep: Keep;
before(async () => {
  mirror = await openMirror();
  keep = await Keep.open({}, POLICY, [mirror.url, '--name', 'mirror', '--yes']);
});
after(async () => {
  await keep?.close();
  mirror?.close();
});

const echo = (value: string, id: number): string => callText('mirror__echo', `{"value":${JSON.stringify(value)}}`, id);

for (const round of ['', ', again'])
  test(`every JSON document is answered as JSON-RPC says, alone, as params and as an argument${round}`, {
    skip: corporaAbsent,
  }, async () => {
    verifies('input.strict', 'input.bounds');
    let executed = 0;
    await keep.undisturbed(echo, () =>
      each(jsonDocuments(), WIDTH, async ({ id, label, bytes }, at) => {
        const socket = await RawSocket.open(keep.peer);
        const ask = async (body: Uint8Array) => {
          socket.write(keep.post(body));
          const answer = await socket.next();
          assert.ok(typeof answer === 'object', `${id}: ${answer}`);
          clean(answer, id);
          return { status: answer.status, ...JSON.parse(answer.body) };
        };
        const refused = label === 'valid' ? [-32600] : label === 'invalid' ? [-32700] : [-32600, -32700];

        const whole = await ask(bytes);
        assert.deepEqual([whole.status, whole.id], [400, idOf(label, bytes)], id);
        assert.ok(refused.includes(whole.error.code), `${id}: ${whole.error.code}`);

        const params = await ask(around(`{"jsonrpc":"2.0","id":${at},"method":"ping","params":`, bytes, '}'));
        if (label === 'invalid') assert.deepEqual([params.id, params.error.code], [null, -32700], id);
        if (label === 'valid') assert.equal(params.id, at, id);

        const call = `{"jsonrpc":"2.0","id":${at},"method":"tools/call","params":{"name":"mirror__echo","arguments":{"value":`;
        const argument = await ask(around(call, bytes, '}}}'));
        if (label === 'invalid') assert.deepEqual([argument.id, argument.error.code], [null, -32700], id);
        if (label !== 'valid') return socket.destroy();
        assert.equal(argument.id, at, id);
        const value = argument.result?.structuredContent?.value;
        if (argument.result?.isError) assert.equal(argument.result._meta['innerkeep/refusal'].reason, 'validation', id);
        else if (isDeepStrictEqual(value, plain(bytes))) executed++;
        else assert.fail(`${id}: ${JSON.stringify(argument)}`);
        socket.destroy();
      }),
    );
    assert.ok(executed >= 85, `${executed} valid documents reached the server`);
  });

/** What JSON-RPC has an answer to this document bear: its id, where it has one (2.0 §5). */
function idOf(label: string, bytes: Buffer): unknown {
  const value = label === 'valid' ? JSON.parse(bytes.toString()) : null;
  return typeof value?.id === 'string' ? value.id : null;
}

/** As it is after the mirror has written it again: without negative zero. */
const plain = (bytes: Buffer): unknown => JSON.parse(JSON.stringify(JSON.parse(bytes.toString())));

test('every HTTP request ends in a clean answer or a closed connection, with and without a token', {
  skip: corporaAbsent,
}, async () => {
  verifies('authn.edge');
  const vectors = httpVectors().filter(({ kind }) => kind === 'request');
  await keep.undisturbed(echo, () =>
    each(vectors, WIDTH, async ({ id, raw }) => {
      for (const answer of await converse(keep.peer, raw)) {
        clean(answer, id);
        assert.ok(answer.status >= 400, `${id}: ${answer.status} to a stranger`);
      }
      // The same to /mcp, by somebody whom it serves.
      const [line = '', ...rest] = raw.replace(/^(\s*[A-Z-]+) \S+/, '$1 /mcp').split('\r\n');
      const known = [line, keep.credentials, 'Content-Type: application/json', ...rest].join('\r\n');
      for (const answer of await converse(keep.peer, known)) clean(answer, `${id}, with a token`);
    }),
  );
});

test('nothing that hides in a request is executed as another one (RFC 9112 §11.2)', async () => {
  const marks = new Map<string, string>();
  const shapes = Object.entries(smuggling()).map(([name, shape], at) => {
    marks.set(name, `hidden ${at}`);
    return { name, request: shape(keep.post(echo(`hidden ${at}`, at)).toString('latin1')) };
  });
  await keep.undisturbed(echo, () =>
    each(shapes, WIDTH, async ({ name, request }) => {
      const head = `POST /mcp HTTP/1.1\r\n${keep.credentials}\r\nContent-Type: application/json\r\n`;
      const answers = await converse(keep.peer, request.replace(/^HEAD/, head));
      for (const answer of answers) clean(answer, name);
      const executed = mirror.echoed.has(JSON.stringify(marks.get(name)));
      assert.equal(executed, name.startsWith('control:'), `${name}: ${JSON.stringify(answers)}`);
    }),
  );
});

/** Requests in which one reader sees the end where another sees a second request; `HEAD` stands for a good first part. */
function smuggling(): Readonly<Record<string, (hidden: string) => string>> {
  const chunked = (hidden: string): string => `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
  const te = (spelling: string) => (hidden: string) => `HEADContent-Length: 4\r\n${spelling}\r\n\r\n0\r\n\r\n${hidden}`;
  const cl = (spelling: string) => (hidden: string) => `HEAD${spelling}\r\n\r\n{}${hidden}`;
  return {
    'control: two requests, one after the other': (hidden) => `HEADContent-Length: 2\r\n\r\n{}${hidden}`,
    'length and chunks, the length longer': (hidden) =>
      `HEADContent-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'length and chunks, the length shorter': (hidden) =>
      `HEADContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(hidden)}`,
    'chunks with a blank before the colon': te('Transfer-Encoding : chunked'),
    'chunks after a tab': te('Transfer-Encoding:\tchunked'),
    'chunks after a vertical tab': te('Transfer-Encoding:\vchunked'),
    'chunks by another name': te('Transfer-Encoding: xchunked'),
    'chunks, then identity': te('Transfer-Encoding: chunked, identity'),
    'chunks named twice': te('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
    'chunks in a folded line': te('Transfer-Encoding:\r\n chunked'),
    'chunks behind a bare line feed': te('X: y\nTransfer-Encoding: chunked'),
    'chunks behind a bare carriage return': te('X: y\rTransfer-Encoding: chunked'),
    'chunks behind a NUL': te('X: y\0\r\nTransfer-Encoding: chunked'),
    'chunks in an HTTP/1.0 request': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`.replace('HTTP/1.1', 'HTTP/1.0'),
    'two lengths': cl('Content-Length: 2\r\nContent-Length: 900'),
    'two lengths in one line': cl('Content-Length: 2, 900'),
    'a length with a sign': cl('Content-Length: +2'),
    'a negative length': cl('Content-Length: -2'),
    'a hexadecimal length': cl('Content-Length: 0x2'),
    'a length with a blank in it': cl('Content-Length: 2 2'),
    'a length beyond all integers': cl('Content-Length: 18446744073709551618'),
    'a length in a folded line': cl('X: y\r\n Content-Length: 2'),
    'a length behind a bare line feed': cl('X: y\nContent-Length: 2'),
    'a chunk beyond all integers': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a chunk with a sign': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a hexadecimal chunk': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a chunk that is longer than it says': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n${hidden}`,
    'an extension that ends in a line feed': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n${hidden}`,
    'chunk sizes that end in a line feed': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n${hidden}`,
    'lines that end in a line feed': (hidden) => `HEADContent-Length: 2\n\n{}${hidden}`,
    'a last chunk that is missing': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n${hidden}`,
    'a body that nobody waits for': (hidden) => `HEADConnection: close\r\nContent-Length: 2\r\n\r\n{}${hidden}`,
    'a first line that is none': (hidden) => `GARBAGE\r\n\r\n${hidden}`,
    'a first line without a version': (hidden) => `POST /mcp\r\n\r\n${hidden}`,
    'the preface of HTTP/2': (hidden) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`,
    'a tunnel': (hidden) => `CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n${hidden}`,
  };
}

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

test('a session that is nearly one of ours, or somebody else’s, is not found', async (t) => {
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
  const [welcome] = await converse(keep.peer, keep.post(body));
  assert.equal(welcome?.status, 200);
  const own = welcome.headers.get('mcp-session-id');
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

test('a body in chunks is one body, whatever its chunks look like, and its trailers say nothing', async () => {
  const body = echo('chunked', 5);
  const single = [...body].map((byte) => `1\r\n${byte}\r\n`).join('');
  const size = body.length.toString(16);
  const forms: Readonly<Record<string, string>> = {
    'bytes one by one': `${single}0\r\n\r\n`,
    'leading zeros': `${size.padStart(12, '0')}\r\n${body}\r\n000\r\n\r\n`,
    extensions: `${size};a=b;c="d;e"\r\n${body}\r\n0;f\r\n\r\n`,
    trailers: `${size}\r\n${body}\r\n0\r\nX-Checksum: 1\r\nAuthorization: Bearer x\r\n\r\n`,
  };
  const send = (chunks: string, credentials: string) =>
    converse(
      keep.peer,
      `POST /mcp HTTP/1.1\r\n${credentials}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
    );
  for (const [name, chunks] of Object.entries(forms)) {
    const [answer] = await send(chunks, keep.credentials);
    assert.ok(answer !== undefined, name);
    assert.equal(
      JSON.parse(answer.body || '{}').result?.structuredContent.value,
      'chunked',
      `${name}: ${JSON.stringify(answer)}`,
    );
  }
  const late = `${size}\r\n${body}\r\n0\r\nAuthorization: Bearer ${keep.token}\r\n\r\n`;
  const [stranger] = await send(late, `Host: localhost:${keep.peer.port}`);
  assert.equal(stranger?.status, 421, 'a token in a trailer authenticates nobody');
  for (const endless of [
    `1;${'x'.repeat(70_000)}\r\n`,
    `0\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
    `${'0'.repeat(70_000)}1\r\n`,
  ])
    for (const answer of await send(endless, keep.credentials)) clean(answer, endless.slice(0, 20));
});

test('a connection that is half-closed anywhere in a request is answered or closed, and nothing half is executed', async () => {
  mirror.echoed.clear();
  const whole = keep.post(echo('half', 9));
  const cuts = Array.from({ length: 60 }, (_, at) => Math.floor((whole.length * at) / 60));
  await keep.undisturbed(echo, () =>
    each(cuts, WIDTH, async (cut) => {
      const socket = await RawSocket.open(keep.peer);
      socket.write(whole.subarray(0, cut));
      socket.end();
      for (let answer = await socket.next(); answer !== 'closed'; answer = await socket.next()) {
        assert.ok(answer !== 'silent', `left alone after ${cut} bytes`);
        clean(answer, `${cut} bytes`);
      }
    }),
  );
  assert.equal(mirror.echoed.has('"half"'), false);
});

test('a request in which single bytes were changed, lost or doubled gets one answer, and never another one’s', async () => {
  const good = keep.post(echo('good', 7));
  const start = good.indexOf('\r\n\r\n') + 4;
  const change = fc.record({
    at: fc.integer({ min: start, max: good.length - 1 }),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'cut', 'double'),
  });
  await keep.undisturbed(echo, () =>
    each(
      fc.sample(fc.array(change, { minLength: 1, maxLength: 3 }), { numRuns: 300, seed: 3 }),
      WIDTH,
      async (changes) => {
        const body = [...good.subarray(start)];
        for (const { at, byte, kind } of changes) {
          if (kind === 'set') body[at - start] = byte;
          else body.splice(at - start, kind === 'cut' ? 1 : 0, ...(kind === 'cut' ? [] : [byte]));
        }
        const [answer, ...more] = await converse(keep.peer, keep.post(Buffer.from(body), 'Connection: close\r\n'));
        assert.ok(answer !== undefined && more.length === 0, Buffer.from(body).toString());
        clean(answer, Buffer.from(body).toString());
      },
    ),
  );
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
