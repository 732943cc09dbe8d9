import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Refusal, type RefusalCode } from '../../src/contract/refusal.ts';
import { startRuntime } from '../../src/runtime/runtime.ts';
import { verifies } from '../support/verifies.ts';
import { json, type Manners, remoteServer, textResult } from './remote-server.ts';
import { callTool, runtimeWith } from './support.ts';

const refused = (code: RefusalCode, detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Refusal, String(error));
  assert.equal(error.code, code, error.detail);
  assert.match(error.detail, detail);
  return true;
};

/** These manners for tools/call only. */
const onCall =
  (manners: Manners): Manners =>
  (heard, response) =>
    heard.message.method === 'tools/call' && manners(heard, response);

test('calls a server without sessions by one POST, after one handshake', async (t) => {
  const remote = await remoteServer(t, () => false);
  const { link } = await runtimeWith(t, [remote.settings]);
  const calls = Array.from({ length: 200 }, (_, n) =>
    callTool(link, { server: 'crm', subject: `s${n % 5}`, echo: `v${n}` }),
  );
  assert.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 200 }, (_, n) => `v${n}`),
  );
  assert.equal(remote.asked('initialize').length, 1);
  assert.equal(remote.asked('notifications/initialized').length, 1);
  const [call] = remote.asked('tools/call');
  assert.equal(call?.headers['mcp-protocol-version'], '2025-11-25');
  assert.equal(call?.headers['accept-encoding'], 'identity');
  assert.equal(call?.headers.authorization, undefined);
});

test('gives each subject a session of its own (MCP 2025-11-25, Session Management)', async (t) => {
  let sessions = 0;
  const remote = await remoteServer(t, ({ message: { id, method } }, response) => {
    if (method !== 'initialize') return false;
    const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
    return json(response, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': `session-${++sessions}` });
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  const subjects = ['alice', 'bob', 'alice', 'carol', 'bob', 'alice'];
  await Promise.all(subjects.map((subject) => callTool(link, { server: 'crm', subject, echo: subject })));
  await callTool(link, { server: 'crm', subject: 'bob', echo: 'bob' });
  const users = new Map<string, Set<unknown>>();
  for (const { headers, message } of remote.asked('tools/call')) {
    const { echo } = (message.params as { arguments: { echo: string } }).arguments;
    users.set(echo, (users.get(echo) ?? new Set()).add(headers['mcp-session-id']));
  }
  const used = [...users.values()].flatMap((ids) => [...ids]);
  assert.equal(used.length, 3, 'one session for each of three subjects');
  assert.equal(new Set(used).size, 3, 'none shared');
  assert.equal(remote.asked('initialize').length, 3);
});

test('initialises once more when its session is gone, and only once', async (t) => {
  let sessions = 0;
  let gone = 'session-1';
  const remote = await remoteServer(t, ({ headers, message: { id, method } }, response) => {
    if (method === 'initialize') {
      const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
      return json(response, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': `session-${++sessions}` });
    }
    if (method !== 'tools/call' || (gone !== 'all' && headers['mcp-session-id'] !== gone)) return false;
    response.writeHead(404).end();
    return true;
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  assert.equal(await callTool(link, { server: 'crm', echo: 'again' }), 'again');
  assert.equal(sessions, 2);
  gone = 'all';
  await assert.rejects(callTool(link, { server: 'crm' }), refused('upstream', /HTTP status 404/));
  assert.equal(sessions, 3);
});

test('reads the answer from an event stream, and answers what the server asks on it', async (t) => {
  const answers: unknown[] = [];
  let finish = () => {};
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method === undefined && answers.push(message) === 2) finish();
    if (message.method !== 'tools/call') return false;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('id: 1\ndata:\n\n: comment\n\nevent: message\ndata: {"jsonrpc":"2.0","id":"q","method":"ping"}\n\n');
    response.write('data: {"jsonrpc":"2.0","id":8,"method":"elicitation/create","params":{}}\n\n');
    const answer = JSON.stringify(textResult(message.id, 'streamed'));
    response.write(`data: ${answer.slice(0, 30)}`);
    finish = () => response.end(`${answer.slice(30)}\n\n`);
    return true;
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  assert.equal(await callTool(link, { server: 'crm' }), 'streamed');
  assert.equal(answers.length, 2);
  for (const expected of [
    { jsonrpc: '2.0', id: 'q', result: {} },
    { jsonrpc: '2.0', id: 8, error: { code: -32601, message: 'Method not found' } },
  ])
    assert.ok(
      answers.some((answer) => isDeepStrictEqual(answer, expected)),
      JSON.stringify(answers),
    );
});

test('500 notifications on the stream do not fail a call', async (t) => {
  const remote = await remoteServer(
    t,
    onCall(({ message: { id } }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\r\n\r\n'.repeat(500));
      return !!response.end(`data: ${JSON.stringify(textResult(id, 'patient'))}\r\n\r\n`);
    }),
  );
  const { link } = await runtimeWith(t, [remote.settings]);
  assert.equal(await callTool(link, { server: 'crm' }), 'patient');
});

const hostile: readonly [name: string, code: RefusalCode, detail: RegExp, manners: Manners][] = [
  [
    'a wrong content type',
    'upstream',
    /content type text\/html/,
    (_, r) => !!r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  ],
  ['no content type', 'upstream', /content type undefined/, (_, r) => !!r.writeHead(200).end('{}')],
  [
    'a compressed answer nobody asked for',
    'upstream',
    /content-encoding gzip/,
    ({ message: { id } }, r) =>
      !!r
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(JSON.stringify(textResult(id, 'bomb')))),
  ],
  [
    'a giant body',
    'size',
    /more than 100000 bytes/,
    ({ message: { id } }, r) => json(r, textResult(id, 'x'.repeat(200_000))),
  ],
  ['the answer to another request', 'upstream', /id 999/, (_, r) => json(r, textResult(999, 'not yours'))],
  ['a batch', 'upstream', /a batch/, ({ message: { id } }, r) => json(r, [textResult(id, 'x')])],
  [
    'a notification instead of an answer',
    'upstream',
    /not the answer/,
    (_, r) => json(r, { jsonrpc: '2.0', method: 'notifications/x' }),
  ],
  ['202 instead of an answer', 'upstream', /content type undefined/, (_, r) => !!r.writeHead(202).end()],
  [
    'an event stream that ends early',
    'upstream',
    /ended without the answer/,
    (_, r) => !!r.writeHead(200, { 'content-type': 'text/event-stream' }).end(': bye\n\n'),
  ],
  [
    'an event stream without end',
    'upstream',
    /no answer within 600 ms/,
    (_, r) => {
      r.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => r.write(': still there\n\n'), 20);
      r.on('close', () => clearInterval(timer));
      return true;
    },
  ],
  [
    'an event without end',
    'size',
    /event of more than 100000 bytes/,
    (_, r) => !!r.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: ${'x'.repeat(200_000)}`) || true,
  ],
  ['silence', 'upstream', /no answer within 600 ms/, () => true],
  ['a closed connection', 'upstream', /UND_ERR_SOCKET|ECONNRESET/, (_, r) => !!r.destroy()],
  [
    'a 500',
    'upstream',
    /HTTP status 500: .*hunter2/,
    (_, r) => !!r.writeHead(500).end('db password hunter2\u001b[2J\n{"forged":1}'),
  ],
];

for (const [name, code, detail, manners] of hostile)
  test(`refuses ${name} from a remote server`, async (t) => {
    verifies('output.errors', 'output.size');
    const remote = await remoteServer(t, onCall(manners));
    const deadline = /no answer/.test(detail.source) ? 600 : 60_000;
    const { link } = await runtimeWith(t, [{ ...remote.settings, deadline }]);
    await assert.rejects(callTool(link, { server: 'crm' }), (error) => {
      assert.doesNotMatch((error as Refusal).detail, /\p{Cc}/u, 'nothing that could forge a log line');
      return refused(code, detail)(error);
    });
  });

test('does not follow a redirect', async (t) => {
  const elsewhere = await remoteServer(t, () => false);
  const remote = await remoteServer(t, (_, r) => !!r.writeHead(307, { location: elsewhere.settings.url }).end());
  const { link } = await runtimeWith(t, [remote.settings]);
  await assert.rejects(callTool(link, { server: 'crm' }), refused('upstream', /HTTP status 307/));
  assert.equal(elsewhere.heard.length, 0);
});

test('speaks TLS 1.3 to a remote server', async (t) => {
  verifies('transport.tls13');
  const remote = await remoteServer(t, () => false, { minVersion: 'TLSv1.3' });
  const { link } = await runtimeWith(t, [remote.settings]);
  assert.equal(await callTool(link, { server: 'crm', echo: 'secret' }), 'secret');
});

test('refuses a remote server that speaks TLS 1.2 only', async (t) => {
  verifies('transport.tls13');
  const remote = await remoteServer(t, () => false, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  const { link } = await runtimeWith(t, [remote.settings]);
  await assert.rejects(callTool(link, { server: 'crm' }), refused('upstream', /PROTOCOL_VERSION/));
});

test('refuses a remote server whose certificate another authority signed, or whose name is not in it', async (t) => {
  const remote = await remoteServer(t, () => false, {});
  const { ca: _, ...unknown } = remote.settings;
  const renamed = { ...remote.settings, name: 'renamed', url: remote.settings.url.replace('localhost', '127.0.0.1') };
  const { link } = await runtimeWith(t, [unknown, renamed]);
  await assert.rejects(callTool(link, { server: 'crm' }), refused('upstream', /UNABLE_TO_VERIFY|SELF_SIGNED/));
  await assert.rejects(callTool(link, { server: 'renamed' }), refused('upstream', /ALTNAME/));
  assert.equal(remote.heard.length, 0);
});

for (const url of [
  'http://192.0.2.1/mcp',
  'http://localhost.example/mcp',
  'http://127.0.0.1.example/mcp',
  'ftp://localhost/',
  'https://u:p@localhost/mcp',
])
  test(`refuses to start with the remote address ${url}`, async () => {
    verifies('transport.tls13');
    const server = { kind: 'remote', name: 'crm', url, deadline: 1000, maxResult: 1000 } as const;
    const bundle = { socket: '/nonexistent/runtime.sock', servers: [server], node: process.execPath };
    await assert.rejects(startRuntime({ bundle, drivers: {}, now: Date.now, log: () => {} }), /crm: /);
  });

test('speaks 2026-07-28, with its envelope and headers, where initialize is refused', async (t) => {
  const remote = await remoteServer(t, ({ message: { id, method } }, response) => {
    if (method === 'initialize') return !!response.writeHead(400).end('{}');
    if (method !== 'server/discover') return false;
    const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
    return json(response, { jsonrpc: '2.0', id, result });
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  const params =
    '{"name":"größe","_meta":{"progressToken":"t","io.modelcontextprotocol/protocolVersion":"x"},"arguments":{"echo":"hi"}}';
  assert.equal(await callTool(link, { server: 'crm', params }), 'hi');
  const [call] = remote.asked('tools/call');
  assert.equal(call?.headers['mcp-protocol-version'], '2026-07-28');
  assert.equal(call?.headers['mcp-method'], 'tools/call');
  assert.equal(call?.headers['mcp-name'], '=?base64?Z3LDtsOfZQ==?=');
  assert.deepEqual(call?.message.params?._meta, {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'innerkeep', version: '0.1.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
    progressToken: 't',
  });
});

test('describes a remote server in a session of its own and ends that', async (t) => {
  const remote = await remoteServer(t, ({ message: { id, method } }, response) => {
    if (method !== 'initialize') return false;
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'x', version: '1' },
    };
    return json(response, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': 'for-description' });
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  const live = JSON.parse(Buffer.from(await link.describe('crm', new AbortController().signal)).toString());
  assert.deepEqual(live.tools, ['{"name":"echo"}']);
  await callTool(link, { server: 'crm' });
  assert.equal(remote.heard.find(({ method }) => method === 'DELETE')?.headers['mcp-session-id'], 'for-description');
});
