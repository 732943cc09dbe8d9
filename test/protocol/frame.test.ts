import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type Bench, modern, openBench, server } from '../edge/bench.ts';
import { verifies } from '../support/verifies.ts';

let bench: Bench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());
beforeEach(() => {
  bench.refusals.length = 0;
  bench.calls.length = 0;
});

interface Said {
  readonly id: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data: Record<string, unknown> };
}

function said({ body }: { body: string }): Said {
  return JSON.parse(body) as Said;
}

async function post(body: string | Buffer, headers: Record<string, string> = {}) {
  const response = await bench.send({ body, headers });
  return { status: response.status, body: response.body, code: response.body ? said(response).error?.code : undefined };
}

test('refuses bytes that two readers could take for different messages', async () => {
  verifies('input.strict');
  const call = (params: string) => `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":${params}}`;
  for (const body of [
    '',
    'nonsense',
    '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}',
    call('{"name":"files__read","name":"files__write"}'),
    call('{"name":"files__read","arguments":{"a":{"b":1,"\\u0062":2}}}'),
    call('{"name":"files__read","arguments":{"a":"\\ud800"}}'),
    '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'['.repeat(70)}${']'.repeat(70)}}`,
  ]) {
    const { status, code } = await post(body);
    assert.deepEqual([status, code], [400, -32700], body.slice(0, 80));
  }
  const latin = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"p\xefng"}', 'latin1');
  assert.deepEqual((await post(latin)).code, -32700);
  assert.equal(bench.calls.length, 0);
});

test('refuses what is not one JSON-RPC 2.0 request, notification or response', async () => {
  for (const body of [
    '[]',
    '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    '1',
    'null',
    '{}',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}',
    '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"method":7}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
    '{"jsonrpc":"2.0","result":{}}',
    '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"files__read"}}',
  ]) {
    const { status, code } = await post(body);
    assert.deepEqual([status, code], [400, -32600], body);
  }
  assert.equal(bench.calls.length, 0);
});

test('answers under the id that was sent, byte for byte, also when it refuses', async () => {
  for (const id of ['1', '-0', '1e2', '"\\u0061\\"ü"', '""']) {
    const good = await post(`{"jsonrpc":"2.0", "id" : ${id} ,"method":"ping"}`);
    assert.equal(good.body, `{"jsonrpc":"2.0","id":${id},"result":{}}`);
    const bad = await post(`{"jsonrpc":"2.0","id":${id},"method":"nope"}`);
    assert.ok(bad.body.startsWith(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,`), bad.body);
  }
});

test('takes notifications and responses with 202, and does nothing', async () => {
  for (const body of [
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}',
  ]) {
    assert.deepEqual(await post(body), { status: 202, body: '', code: undefined }, body);
  }
});

test('negotiates the revision, and refuses a header that names none', async () => {
  const initialize = async (protocolVersion: unknown) => {
    const response = await bench.rpc('initialize', {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'c', version: '1' },
    });
    return said(response).result?.protocolVersion ?? said(response).error?.code;
  };
  for (const known of ['2025-03-26', '2025-06-18', '2025-11-25']) assert.equal(await initialize(known), known);
  assert.equal(await initialize('2024-11-05'), '2025-11-25');
  assert.equal(await initialize('2026-07-28'), '2025-11-25');
  assert.equal(await initialize('2031-01-01'), '2025-11-25');
  assert.equal(await initialize(undefined), -32602);
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  assert.equal((await post(ping, { 'mcp-protocol-version': '2025-06-18' })).status, 200);
  for (const bad of ['2024-11-05', '2025-06-19', '2025-06-18, 2025-06-18', '', 'x']) {
    assert.equal((await post(ping, { 'mcp-protocol-version': bad })).status, 400, bad);
  }
});

test('has no sessions: a session id is neither given nor looked at', async () => {
  const response = await bench.rpc('ping', undefined, { headers: { 'mcp-session-id': 'anything' } });
  assert.equal(response.status, 200);
  assert.equal(response.headers['mcp-session-id'], undefined);
});

test('2026-07-28: refuses headers that do not say what the body says (-32020)', async () => {
  const call = async (
    headers: Record<string, string>,
    params: Record<string, unknown> = { name: 'files__read', arguments: {} },
  ) => {
    const response = await modern(bench, 'tools/call', params, headers);
    return [response.status, said(response).error?.code];
  };
  assert.deepEqual(await call({}), [200, undefined]);
  assert.deepEqual(await call({ 'mcp-method': 'tools/list' }), [400, -32020]);
  assert.deepEqual(await call({ 'mcp-name': 'files__write' }), [400, -32020]);
  assert.deepEqual(await call({ 'mcp-protocol-version': '2025-11-25' }), [400, -32020]);
  assert.deepEqual(await call({ 'mcp-name': '=?base64?ZmlsZXNfX3JlYWQ=?=' }), [200, undefined]);
  assert.deepEqual(await call({ 'mcp-name': '=?base64?ZmlsZXNfX3JlYWQ?=' }), [400, -32020], 'base64 without padding');
  assert.deepEqual(
    await call({ 'mcp-name': '=?base64?ZmlsZXNfX3JlYWR=?=' }),
    [400, -32020],
    'base64 that is not canonical',
  );
  assert.deepEqual(await call({ 'mcp-name': '=?base64?/w==?=' }), [400, -32020], 'base64 of no UTF-8');
  assert.deepEqual(await call({ 'mcp-name': 'files__read, files__write' }), [400, -32020]);
  assert.deepEqual(await call({ 'mcp-name': 'x' }, { arguments: {} }), [400, -32020]);

  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const bare = await bench.rpc('tools/list', { _meta: envelope });
  assert.deepEqual([bare.status, said(bare).error?.code], [400, -32020], 'no headers at all');
  const halfway = await bench.rpc(
    'tools/list',
    { _meta: envelope },
    { headers: { 'mcp-protocol-version': '2026-07-28' } },
  );
  assert.deepEqual([halfway.status, said(halfway).error?.code], [400, -32020], 'no Mcp-Method');
});

test('2026-07-28: refuses unknown versions (-32022), missing envelopes (-32602) and what the revision has removed (404)', async () => {
  const future = await modern(
    bench,
    'tools/list',
    { _meta: { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' } },
    { 'mcp-protocol-version': '2031-01-01' },
  );
  assert.equal(future.status, 400);
  assert.equal(said(future).error?.code, -32022);
  assert.equal(said(future).id, 1);
  assert.deepEqual(said(future).error?.data.requested, '2031-01-01');
  assert.match(String(said(future).error?.data.supported), /^2026-07-28,2025-11-25,/);

  const naked = await bench.rpc(
    'tools/list',
    {},
    { headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' } },
  );
  assert.deepEqual([naked.status, said(naked).error?.code], [400, -32602]);
  for (const capabilities of [undefined, 1, []]) {
    const poor = await modern(bench, 'tools/list', {
      _meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities },
    });
    assert.deepEqual([poor.status, said(poor).error?.code], [400, -32602]);
  }
  for (const method of [
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tasks/get',
    'nope',
    'constructor',
    '__proto__',
  ]) {
    const gone = await modern(bench, method);
    assert.deepEqual([gone.status, said(gone).error?.code], [404, -32601], method);
  }
  for (const method of ['server/discover', 'subscriptions/listen', 'tasks/get', 'toString']) {
    const absent = await bench.rpc(method);
    assert.deepEqual([absent.status, said(absent).error?.code], [200, -32601], method);
  }
});

test('2026-07-28: arguments that are mirrored in Mcp-Param headers must agree with the body', async () => {
  const schema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      o: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
    },
  };
  const raw = JSON.stringify({ name: 'query', inputSchema: schema });
  const open = await openBench({ servers: [server('db', [], { tools: [{ name: 'query', raw, digest: '' }] })] });
  try {
    const call = async (args: object, headers: Record<string, string>) => {
      const response = await modern(open, 'tools/call', { name: 'db__query', arguments: args }, headers);
      return said(response).error?.code ?? 'ok';
    };
    assert.equal(await call({ region: 'eu' }, { 'mcp-param-region': 'eu' }), 'ok');
    assert.equal(await call({ region: 'ü' }, { 'mcp-param-region': '=?base64?w7w=?=' }), 'ok');
    assert.equal(await call({ o: { n: 42 } }, { 'mcp-param-n': '42.0' }), 'ok');
    assert.equal(await call({}, { 'mcp-param-region': 'eu', 'mcp-param-other': 'x' }), 'ok');
    assert.equal(await call({ region: 'eu' }, {}), -32020);
    assert.equal(await call({ region: 'eu' }, { 'mcp-param-region': 'us' }), -32020);
    assert.equal(await call({ region: 'eu' }, { 'mcp-param-region': '=?base64?!?=' }), -32020);
    assert.equal(await call({ o: { n: 42 } }, { 'mcp-param-n': '43' }), -32020);
  } finally {
    await open.close();
  }
});

test('is the server that the client sees: innerkeep on /mcp, the pinned one on /mcp/SERVER, and promises only what it serves', async () => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  const all = said(await bench.rpc('initialize', params)).result;
  assert.deepEqual(all, {
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'innerkeep', version: '9.9.9' },
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    },
  });
  const older = said(await bench.rpc('initialize', { ...params, protocolVersion: '2025-06-18' })).result;
  assert.ok(!JSON.stringify(older).includes('tasks'), 'tasks in a revision that has none');
  const one = said(await bench.rpc('initialize', params, { path: '/mcp/files' })).result;
  assert.deepEqual(
    [one?.serverInfo, one?.instructions],
    [{ name: 'files-server', version: '1.2.3' }, 'How to use files.'],
  );
  const found = said(await modern(bench, 'server/discover', {}, {}, '/mcp/files')).result;
  assert.deepEqual(found?._meta, { 'io.modelcontextprotocol/serverInfo': { name: 'files-server', version: '1.2.3' } });
  assert.deepEqual([found?.resultType, found?.cacheScope], ['complete', 'private']);
  assert.match(String(found?.supportedVersions), /^2026-07-28,2025-11-25,/);
});
