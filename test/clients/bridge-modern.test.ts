import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { bridged } from './support/bridged.ts';
import { asked, event, json, result, scriptedEdge } from './support/scripted-edge.ts';

const _meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const call = (id: number | string, args: object = {}) => ({
  id,
  method: 'tools/call',
  params: { name: 'grüße', arguments: args, _meta: { ..._meta, progressToken: 3 } },
});
const marked = {
  name: 'grüße',
  inputSchema: {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { type: 'object', properties: { count: { type: 'integer', 'x-mcp-header': 'Count' } } },
      list: { type: 'array', items: { type: 'string', 'x-mcp-header': 'Not-Here' } },
    },
  },
};
const region = (args: { region: string }) => ({ ...args, deep: { count: 4 }, list: ['x'] });
const mismatch = (id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32020, message: 'Headers do not match' } });

test('each request says in its headers what its body says; no session, no stream, no DELETE', async (t) => {
  const edge = await scriptedEdge(t, (heard) => result(heard, { resultType: 'complete' }));
  const client = bridged(t, edge);
  client.send({ id: 1, method: 'server/discover', params: { _meta } }, call('1'));
  client.send({ id: 2, method: 'resources/read', params: { uri: 'file:///a', _meta } });
  assert.deepEqual(
    new Set([(await client.next()).id, (await client.next()).id, (await client.next()).id]),
    new Set([1, '1', 2]),
  );
  await client.end();
  const sent = edge.heard.map(({ headers }) => [headers['mcp-method'], headers['mcp-name']]).sort();
  const encoded = `=?base64?${Buffer.from('grüße').toString('base64')}?=`;
  assert.deepEqual(sent, [
    ['resources/read', 'file:///a'],
    ['server/discover', undefined],
    ['tools/call', encoded],
  ]);
  for (const { http, headers } of edge.heard) {
    assert.deepEqual(
      [http, headers['mcp-protocol-version'], headers['mcp-session-id']],
      ['POST', '2026-07-28', undefined],
    );
  }
});

test('notifications/cancelled becomes a disconnect of the one call, and nothing is posted or answered for it', async (t) => {
  const edge = await scriptedEdge(t, (heard) => {
    if (heard.message.id === 2) result(heard, {});
    else
      event(heard, { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: heard.message.id } });
  });
  const client = bridged(t, edge);
  client.send(call(1), call('1'));
  await client.next();
  await client.next();
  client.send({ method: 'notifications/cancelled', params: { requestId: 1, reason: 'enough' } });
  await (await edge.hears(({ message }) => message.id === 1)).disconnected;
  const other = await edge.hears(({ message }) => message.id === '1');
  event(other, { jsonrpc: '2.0', id: '1', result: {} });
  other.answer.end();
  assert.equal((await client.next()).id, '1');
  client.send({ method: 'notifications/cancelled', params: { requestId: 1, _meta } }, call(2));
  assert.equal((await client.next()).id, 2);
  await client.end();
  assert.deepEqual([client.said, edge.heard.length], [[], 3]);
});

test('subscriptions/listen: its events go out; its end, by either side, is a cancellation; the input does not wait for it', async (t) => {
  const change = { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} };
  const edge = await scriptedEdge(t, (heard) => event(heard, change));
  const client = bridged(t, edge);
  const listen = (id: string) =>
    client.send({ id, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta } });
  for (const id of ['a', 'b', 'c']) {
    listen(id);
    assert.deepEqual(await client.next(), change);
  }
  const heard = (id: string) => edge.hears(({ message }) => message.id === id);
  (await heard('a')).answer.end();
  const { method, params } = await client.next();
  assert.deepEqual([method, params.requestId], ['notifications/cancelled', 'a']);
  client.send({ method: 'notifications/cancelled', params: { requestId: 'b' } });
  await (await heard('b')).disconnected;
  await client.end();
  await (await heard('c')).disconnected;
  assert.deepEqual(client.said, []);
});

test('a subscription outlives its token: asked for again with the new one, and all it is for counts as changed', async (t) => {
  let token = 'first';
  const tag = { _meta: { 'io.modelcontextprotocol/subscriptionId': 'a' } };
  const honoured = { notifications: { toolsListChanged: true, resourceSubscriptions: ['a:b'] }, ...tag };
  const edge = await scriptedEdge(t, (heard) => {
    event(heard, { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: honoured });
    if (edge.heard.length === 2) return;
    token = 'second';
    event(heard, { jsonrpc: '2.0', id: 'a', result: { resultType: 'complete' } });
    heard.answer.end();
  });
  const client = bridged(t, edge, async () => token);
  client.send({ id: 'a', method: 'subscriptions/listen', params: { ...honoured, _meta } });
  const said = [await client.next(), await client.next(), await client.next()];
  assert.deepEqual(
    said.map(({ method }) => method),
    ['subscriptions/acknowledged', 'tools/list_changed', 'resources/updated'].map((name) => `notifications/${name}`),
  );
  assert.deepEqual(said[2].params, { uri: 'a:b', ...tag });
  const [first, second] = edge.heard.map(({ headers, text }) => [headers.authorization, text]);
  assert.deepEqual([first?.[0], second?.[0], first?.[1]], ['DPoP first', 'DPoP second', second?.[1]]);
  edge.heard[1]?.answer.end();
  assert.equal((await client.next()).method, 'notifications/cancelled');
  await client.end();
});

test('Mcp-Param-*: learnt from a tools/list that passes', async (t) => {
  const edge = await scriptedEdge(t, (heard) => result(heard, { tools: [marked], resultType: 'complete' }));
  const client = bridged(t, edge);
  client.send({ id: 1, method: 'tools/list', params: { _meta } });
  await client.next();
  client.send(call(2, region({ region: ' eu\n' })));
  await client.next();
  await client.end();
  const { headers } = await edge.hears(asked('tools/call'));
  assert.equal(headers['mcp-param-region'], `=?base64?${Buffer.from(' eu\n').toString('base64')}?=`);
  assert.deepEqual([headers['mcp-param-count'], headers['mcp-param-not-here']], ['4', undefined]);
});

test('Mcp-Param-*: what was not seen is asked for once (−32020), page by page, and the call is made again', async (t) => {
  const edge = await scriptedEdge(t, (heard) => {
    const { id, method, params } = heard.message;
    if (method === 'tools/list' && params.cursor === undefined) result(heard, { tools: [], nextCursor: 'more' });
    else if (method === 'tools/list') result(heard, { tools: [marked] });
    else if (heard.headers['mcp-param-region'] === 'eu') result(heard, { content: [] });
    else json(heard, mismatch(id), {}, 400);
  });
  const client = bridged(t, edge);
  client.send(call(1, region({ region: 'eu' })));
  assert.deepEqual(await client.next(), { jsonrpc: '2.0', id: 1, result: { content: [] } });
  client.send(call(2, region({ region: 'us' })));
  assert.equal((await client.next()).error.code, -32020);
  await client.end();
  const lists = edge.heard.filter(asked('tools/list'));
  assert.equal(lists[0]?.message.params._meta.progressToken, undefined);
  assert.equal(edge.heard.filter(asked('tools/call')).length, 3);
});

test('a request that gets no answer is answered: refused under no id, no stream, no JSON, no gateway', async (t) => {
  const edge = await scriptedEdge(t, (heard) => {
    const { id } = heard.message;
    if (id === 1)
      json(heard, { jsonrpc: '2.0', id: null, error: { code: 1421, message: 'Misdirected request' } }, {}, 421);
    else if (id === 2) heard.answer.writeHead(502, { 'content-type': 'text/html' }).end('<p>bad gateway</p>');
    else if (id === 3) heard.answer.writeHead(200, { 'content-type': 'application/json' }).end('nonsense');
    else if (id === 4) heard.answer.destroy();
    else json(heard, { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }, {}, 404);
  });
  const client = bridged(t, edge);
  const codes = [];
  for (const id of [1, 2, 3, 4, 5]) {
    client.send(call(id));
    const answer = await client.next();
    assert.equal(answer.id, id);
    codes.push(answer.error.code);
  }
  assert.deepEqual(codes, [1421, 1500, 1500, 1500, -32601]);
  await client.end();
});

test('line breaks between tokens of an answer do not break the line', async (t) => {
  const edge = await scriptedEdge(t, ({ answer }) => {
    const type = { 'content-type': 'application/json' };
    answer.writeHead(200, type).end('{\r\n  "jsonrpc": "2.0",\n  "id": 1,\r  "result": { "x": 1.0 }\n}\n');
  });
  const client = bridged(t, edge);
  client.send(call(1));
  const line = await client.line();
  assert.deepEqual(JSON.parse(line), { jsonrpc: '2.0', id: 1, result: { x: 1 } });
  assert.match(line, /1\.0/);
  await client.end();
});

test('lines that are too long, not UTF-8, not JSON are dropped with a word, and the next one is served', async (t) => {
  const edge = await scriptedEdge(t, (heard) => result(heard, {}));
  const client = bridged(t, edge);
  for (let part = 0; part < 9; part++) client.raw('x'.repeat(1024 * 1024));
  client.raw('\n');
  client.raw(Buffer.from([0x7b, 0xff, 0x7d, 0x0a]));
  client.raw('{"half\n\n"text"\n');
  client.send(call(1));
  assert.equal((await client.next()).id, 1);
  await client.end();
  assert.equal(edge.heard.length, 1);
  assert.deepEqual(
    client.complaints.map((text) => text.replace(/ was dropped$/, '')),
    [
      'a line of more than 8388608 bytes',
      'a line that is not UTF-8',
      'a line that is not JSON',
      'a line that is not JSON',
    ],
  );
});

test('a client that went away: every call is disconnected and the bridge ends', async (t) => {
  const edge = await scriptedEdge(t, (heard) => event(heard, { jsonrpc: '2.0', method: 'notifications/progress' }));
  const client = bridged(t, edge);
  client.send(call(1));
  await client.next();
  await client.vanish();
  await (await edge.hears(asked('tools/call'))).disconnected;
});

test('a client that does not read holds the stream, and loses nothing', async (t) => {
  const [size, count] = [256 * 1024, 200];
  const edge = await scriptedEdge(t, (heard) => {
    for (let at = 0; at < count; at++)
      event(heard, { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(size), at } });
    event(heard, { jsonrpc: '2.0', id: 1, result: {} });
    heard.answer.end();
  });
  const client = bridged(t, edge);
  const held = client.pause();
  client.send(call(1));
  const { answer } = await edge.hears(asked('tools/call'));
  await until(() => held() > 0);
  for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(held() < 3 * size && !answer.writableFinished, `${held()} bytes`);
  client.resume();
  for (let at = 0; at < count; at++) assert.equal((await client.next()).params.at, at);
  assert.deepEqual((await client.next()).result, {});
  await client.end();
});
