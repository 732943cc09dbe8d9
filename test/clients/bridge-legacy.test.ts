import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bridged } from './support/bridged.ts';
import { accepted, asked, event, type Heard, json, result, scriptedEdge } from './support/scripted-edge.ts';

const opened = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } },
  serverInfo: { name: 'scripted', version: '1' },
};
const initialize = {
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo: { name: 'c', version: '1' } },
};
const initialized = { method: 'notifications/initialized' };
const call = { id: 1, method: 'tools/call', params: { name: 'ask', arguments: {} } };
const elicitation = { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: { message: 'Sure?' } };
const opens = (one: Heard): boolean => one.http === 'GET';

/** A session that has been opened; `script` may answer a request by itself, which it says by returning true. */
async function session(t: TestContext, script: (heard: Heard) => boolean | undefined = () => false) {
  let sessions = 0;
  const edge = await scriptedEdge(t, (heard) => {
    if (script(heard) === true) return;
    if (asked('initialize')(heard)) result(heard, opened, { 'mcp-session-id': `s${++sessions}` });
    else if (heard.http === 'DELETE') accepted(heard);
    else if (opens(heard)) heard.answer.writeHead(405).end();
    else if (heard.message.id === undefined || heard.message.method === undefined) accepted(heard);
    else result(heard, {});
  });
  const client = bridged(t, edge);
  client.send(initialize, initialized);
  assert.deepEqual(await client.next(), { jsonrpc: '2.0', id: 0, result: opened });
  return { edge, client };
}

test('the session id and revision of initialize go with all that follows; DELETE at the end of the input', async (t) => {
  const { edge, client } = await session(t);
  client.send(call);
  assert.deepEqual(await client.next(), { jsonrpc: '2.0', id: 1, result: {} });
  await edge.hears(opens);
  await client.end();
  const [first, ...rest] = edge.heard;
  assert.equal(first?.headers['mcp-session-id'], undefined);
  assert.equal(rest.length, 4);
  for (const { headers } of rest) {
    assert.deepEqual([headers['mcp-session-id'], headers['mcp-protocol-version']], ['s1', '2025-11-25']);
    assert.equal(headers.authorization, 'DPoP good');
  }
  assert.equal(rest.at(-1)?.http, 'DELETE');
});

test('the stream after notifications/initialized: what the server says goes out, a break resumes where it was', async (t) => {
  const { edge, client } = await session(t, (heard) => {
    if (!opens(heard)) return false;
    const again = heard.headers['last-event-id'] !== undefined;
    event(heard, '', { id: again ? 'b0' : 'a0', retry: 1 });
    event(
      heard,
      { jsonrpc: '2.0', method: `notifications/${again ? 'second' : 'first'}` },
      { id: again ? 'b1' : 'a1' },
    );
    if (!again) heard.answer.end();
    return true;
  });
  assert.equal((await client.next()).method, 'notifications/first');
  assert.equal((await client.next()).method, 'notifications/second');
  const [, second] = edge.heard.filter(opens);
  assert.equal(second?.headers['last-event-id'], 'a1');
  await client.end();
  await second?.disconnected;
});

test('in the stream of an answer: progress, a question, the answer that the client posts, the result', async (t) => {
  const { edge, client } = await session(t, (heard) => {
    if (asked('tools/call')(heard)) {
      event(heard, { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1 } });
      event(heard, elicitation);
      return true;
    }
    if (heard.message?.id !== 'q') return false;
    accepted(heard);
    const asking = edge.heard.find(asked('tools/call'));
    assert.ok(asking);
    event(asking, { jsonrpc: '2.0', id: 1, result: { content: [], got: heard.message.result } });
    asking.answer.end();
    return true;
  });
  client.send(call);
  assert.equal((await client.next()).params.progress, 1);
  assert.deepEqual(await client.next(), elicitation);
  client.send({ id: 'q', result: { action: 'decline' } });
  assert.deepEqual((await client.next()).result.got, { action: 'decline' });
  client.send({ id: 'q', result: { action: 'accept' } });
  await client.complains(/an answer to what nobody asked/);
  await client.end();
  assert.equal(edge.heard.filter(({ message }) => message?.id === 'q').length, 1);
});

test('an answer whose stream breaks off is taken up by Last-Event-ID, not asked again', async (t) => {
  const { edge, client } = await session(t, (heard) => {
    if (asked('tools/call')(heard)) {
      event(heard, '', { id: 'e0', retry: 1 });
      event(heard, { jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } }, { id: 'e1' });
      heard.answer.write('id: e2\ndata: {"half', () => heard.answer.destroy());
      return true;
    }
    if (heard.headers['last-event-id'] === undefined) return false;
    if (edge.heard.filter(({ headers }) => headers['last-event-id'] === 'e1').length === 1)
      heard.answer.writeHead(503).end();
    else {
      event(heard, { jsonrpc: '2.0', id: 1, result: { content: [] } }, { id: 'e2' });
      heard.answer.end();
    }
    return true;
  });
  client.send(call);
  assert.equal((await client.next()).params.progress, 1);
  assert.deepEqual((await client.next()).result, { content: [] });
  await client.end();
  assert.equal(edge.heard.filter(asked('tools/call')).length, 1);
});

test('an answer that can be taken up no more is an error to the client, which does not hang', async (t) => {
  const { client } = await session(t, (heard) => {
    if (!asked('tools/call')(heard)) return false;
    event(heard, '', { id: 'e0', retry: 1 });
    heard.answer.end();
    return true;
  });
  client.send(call);
  assert.match((await client.next()).error.message, /no answer/);
  await client.end();
});

test('a session that has ended (404) is opened anew: subscriptions and level again, open questions withdrawn', async (t) => {
  let ended = false;
  const { edge, client } = await session(t, (heard) => {
    const first = heard.headers['mcp-session-id'] === 's1';
    if (opens(heard)) event(heard, '', { id: 'g' });
    if (opens(heard) && first) event(heard, elicitation);
    else if (!opens(heard) && ended && first) json(heard, { jsonrpc: '2.0', id: null, error: { code: 1404 } }, {}, 404);
    else return opens(heard);
    return true;
  });
  assert.deepEqual(await client.next(), elicitation);
  client.send({ id: 5, method: 'resources/subscribe', params: { uri: 'a:b' } });
  assert.equal((await client.next()).id, 5);
  client.send({ id: 6, method: 'logging/setLevel', params: { level: 'info' } });
  assert.equal((await client.next()).id, 6);
  ended = true;
  client.send(call);
  const said = [await client.next(), await client.next(), await client.next()];
  assert.deepEqual(said[0], { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q' } });
  assert.deepEqual(
    said
      .slice(1)
      .map(({ id, method }) => id ?? method)
      .sort(),
    [1, 'notifications/tools/list_changed'],
  );
  const posts = edge.heard
    .filter(({ headers }) => headers['mcp-session-id'] === 's2')
    .map(({ message }) => message?.method);
  assert.deepEqual(posts.filter(Boolean), [
    'notifications/initialized',
    'resources/subscribe',
    'logging/setLevel',
    'tools/call',
  ]);
  client.send({ id: 'q', result: { action: 'accept' } });
  await client.complains(/nobody asked/);
  await client.end();
  assert.ok(edge.heard.some(({ http, headers }) => http === 'DELETE' && headers['mcp-session-id'] === 's2'));
});

test('a batch of 2025-03-26 goes out as it is; its answers come one by one or together', async (t) => {
  let together = true;
  const { edge, client } = await session(t, (heard) => {
    if (!Array.isArray(heard.message)) return false;
    const answers = heard.message.filter(({ id }) => id).map(({ id }) => ({ jsonrpc: '2.0', id, result: {} }));
    if (together) json(heard, answers);
    else {
      for (const answer of answers.slice(0, 1)) event(heard, answer);
      heard.answer.end();
    }
    return true;
  });
  const batch = '[{"jsonrpc":"2.0","id":1,"method":"ping"} , {"jsonrpc":"2.0","id":2,"method":"ping"}]';
  client.raw(`${batch}\n`);
  assert.deepEqual(
    (await client.next()).map(({ id }: { id: number }) => id),
    [1, 2],
  );
  together = false;
  client.raw(`${batch}\n`);
  assert.deepEqual(await client.next(), { jsonrpc: '2.0', id: 1, result: {} });
  assert.match((await client.next()).error.message, /no answer/);
  assert.equal(edge.heard.find(({ message }) => Array.isArray(message))?.text, batch);
  await client.end();
});

test('a cancelled call is told to the server; what its stream leaves open is answered by nobody', async (t) => {
  const { edge, client } = await session(t, (heard) => {
    if (asked('tools/call')(heard)) event(heard, { jsonrpc: '2.0', method: 'notifications/progress', params: {} });
    else if (asked('notifications/cancelled')(heard)) {
      accepted(heard);
      edge.heard.find(asked('tools/call'))?.answer.end();
    } else return false;
    return true;
  });
  client.send(call);
  await client.next();
  client.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
  await edge.hears(asked('notifications/cancelled'));
  client.send({ id: 2, method: 'ping' });
  assert.equal((await client.next()).id, 2);
  await client.end();
  assert.deepEqual(client.said, []);
});
