import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamListening } from '../../src/contract/upstream.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { until } from '../support/until.ts';
import { callOf, events, json, keepingSessions, modern, remoteServer, upstreamOf } from './remote-server.ts';

const failed =
  (detail: RegExp, code = 'upstream') =>
  (error: unknown) => {
    assert.ok(error instanceof UpstreamFailure, String(error));
    assert.match(error.detail, detail);
    assert.equal(error.code, code);
    return true;
  };
const updated = (uri: string) => ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
const listChanged = { jsonrpc: '2.0', method: 'notifications/resources/list_changed' };
const subscribing = { resources: { subscribe: true, listChanged: true } };

/** A listening that writes down what it hears. */
function listeningTo(uris: string[], subject = 'alice') {
  const heard: string[] = [];
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  let times = 0;
  const listening: UpstreamListening = {
    uris,
    subject,
    signal: stop.signal,
    ready: () => {
      times++;
      ready.resolve();
    },
    notify: (message) => {
      const { method, params } = JSON.parse(message);
      heard.push(params?.uri ?? method);
    },
  };
  return { listening, heard, stop, ready: ready.promise, times: () => times };
}

test('listens on the one stream of the session, and subscribes each resource once', async (t) => {
  let push = (_: object) => {};
  let streams = 0;
  const remote = await remoteServer(
    t,
    keepingSessions(({ method }, response) => {
      if (method !== 'GET') return false;
      streams++;
      push = events(response).send;
      return true;
    }, subscribing),
  );
  const upstream = upstreamOf(t, remote.settings);
  const one = listeningTo(['a://1', 'a://2']);
  const two = listeningTo(['a://2']);
  const ends = [upstream.listen(one.listening), upstream.listen(two.listening)];
  await Promise.all([one.ready, two.ready]);
  for (const message of [updated('a://1'), updated('a://2/part'), updated('b://elsewhere'), listChanged]) push(message);
  push({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  push({ jsonrpc: '2.0', id: 99, result: {} });
  await until(() => two.heard.length === 2);
  assert.deepEqual(one.heard, ['a://1', 'a://2/part', listChanged.method]);
  assert.deepEqual(two.heard, ['a://2/part', listChanged.method]);
  assert.equal(streams, 1);
  two.stop.abort();
  await ends[1];
  assert.equal(remote.asked('resources/unsubscribe').length, 0, 'somebody still wants it');
  one.stop.abort();
  await ends[0];
  await until(() => remote.asked('resources/unsubscribe').length === 2);
  const uris = (method: string) => remote.asked(method).map(({ message }) => message.params?.uri);
  assert.deepEqual(uris('resources/subscribe'), ['a://1', 'a://2']);
  assert.deepEqual(new Set(uris('resources/unsubscribe')), new Set(['a://1', 'a://2']));
});

test('no subject hears what another one subscribed to', async (t) => {
  const push = new Map<unknown, (message: object) => void>();
  const remote = await remoteServer(
    t,
    keepingSessions(({ method, headers }, response) => {
      if (method !== 'GET') return false;
      push.set(headers['mcp-session-id'], events(response).send);
      return true;
    }, subscribing),
  );
  const upstream = upstreamOf(t, remote.settings);
  const [alice, bob] = [listeningTo(['a://1'], 'alice'), listeningTo(['a://1'], 'bob')];
  const ends = [alice, bob].map(({ listening }) => upstream.listen(listening));
  await Promise.all([alice.ready, bob.ready]);
  assert.deepEqual(new Set(push.keys()), new Set(['session-1', 'session-2']));
  push.get('session-2')?.(updated('a://1'));
  await until(() => alice.heard.length + bob.heard.length > 0);
  const [subscribed] = remote
    .asked('resources/subscribe')
    .filter(({ headers }) => headers['mcp-session-id'] === 'session-2');
  assert.ok(subscribed);
  assert.equal(alice.heard.length + bob.heard.length, 1);
  for (const { stop } of [alice, bob]) stop.abort();
  await Promise.all(ends);
});

test('comes back to the stream with the id of its last event, and to a new session where the old one is gone', async (t) => {
  const gets: unknown[] = [];
  let gone = '';
  const remote = await remoteServer(
    t,
    keepingSessions(({ method, headers }, response) => {
      const session = headers['mcp-session-id'];
      if (session === gone) return !!response.writeHead(404).end();
      if (method !== 'GET') return false;
      gets.push([session, headers['last-event-id']]);
      const stream = events(response);
      if (gets.length === 1) {
        stream.send(updated('a://1'), { id: 'e1', retry: 1 });
        stream.end();
      } else if (gets.length === 2) {
        gone = 'session-1';
        stream.end();
      } else stream.send(updated('a://3'));
      return true;
    }, subscribing),
  );
  const upstream = upstreamOf(t, remote.settings);
  const one = listeningTo(['a://']);
  const end = upstream.listen(one.listening);
  await until(() => one.heard.includes('a://3') && remote.asked('resources/subscribe').length === 2);
  assert.deepEqual(gets, [
    ['session-1', undefined],
    ['session-1', 'e1'],
    ['session-2', undefined],
  ]);
  assert.equal(one.times(), 1, 'said to be ready once');
  assert.deepEqual(
    remote.asked('resources/subscribe').map(({ headers }) => headers['mcp-session-id']),
    ['session-1', 'session-2'],
  );
  one.stop.abort();
  await end;
});

test('refuses to listen where a server keeps no session, has no stream, or takes no subscription', async (t) => {
  const without = await remoteServer(t, () => false);
  await assert.rejects(
    upstreamOf(t, without.settings).listen(listeningTo(['a://1']).listening),
    failed(/keeps no session/),
  );
  const streamless = await remoteServer(
    t,
    keepingSessions(() => false, subscribing),
  );
  await assert.rejects(
    upstreamOf(t, streamless.settings).listen(listeningTo(['a://1']).listening),
    failed(/HTTP status 405/),
  );
  const open = (capabilities: object, refuse: boolean) =>
    keepingSessions(({ method, message: { id, method: asked } }, response) => {
      if (method === 'GET') return !!events(response);
      if (asked !== 'resources/subscribe' || !refuse) return false;
      return json(response, { jsonrpc: '2.0', id, error: { code: -32002, message: 'no such thing' } });
    }, capabilities);
  const incapable = await remoteServer(t, open({ resources: {} }, false));
  await assert.rejects(
    upstreamOf(t, incapable.settings).listen(listeningTo(['a://1']).listening),
    failed(/takes no subscriptions/),
  );
  const refusing = await remoteServer(t, open(subscribing, true));
  await assert.rejects(
    upstreamOf(t, refusing.settings).listen(listeningTo(['a://1']).listening),
    failed(/resources\/subscribe: .*no such thing/),
  );
});

const acknowledge = (uris: unknown) => ({
  jsonrpc: '2.0',
  method: 'notifications/subscriptions/acknowledged',
  params: { notifications: { resourceSubscriptions: uris } },
});

test('holds a subscriptions/listen open with a server of 2026-07-28, and begins it anew when it ends', async (t) => {
  let ends = 0;
  let closed = 0;
  const remote = await remoteServer(
    t,
    modern(({ message }, response) => {
      if (message.method !== 'subscriptions/listen') return false;
      response.on('close', () => closed++);
      const stream = events(response);
      stream.send(updated('a://too-early'));
      stream.send(acknowledge(['a://1']));
      stream.send(updated('a://1'));
      stream.send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
      return ends++ === 0 ? stream.end() : true;
    }, subscribing),
  );
  const upstream = upstreamOf(t, remote.settings);
  const one = listeningTo(['a://1']);
  const end = upstream.listen(one.listening);
  await until(() => one.heard.length === 2);
  assert.deepEqual(one.heard, ['a://1', 'a://1']);
  assert.equal(one.times(), 1);
  const [first, second] = remote.asked('subscriptions/listen');
  assert.deepEqual(first?.message.params?.notifications, {
    resourcesListChanged: true,
    resourceSubscriptions: ['a://1'],
  });
  assert.equal(first?.headers['mcp-method'], 'subscriptions/listen');
  assert.notEqual(first?.message.id, second?.message.id);
  one.stop.abort();
  await end;
  await until(() => closed === 2);
});

for (const [name, messages, detail] of [
  ['agrees to less', [acknowledge(['a://2'])], /not every subscription/],
  ['agrees to nothing', [acknowledge(undefined)], /not every subscription/],
  ['answers at once', [{ jsonrpc: '2.0', id: 2, result: {} }], /ended by the server/],
  ['asks', [{ jsonrpc: '2.0', id: 1, method: 'ping' }], /a request/],
] as readonly [string, object[], RegExp][])
  test(`refuses to listen to a server of 2026-07-28 that ${name}`, async (t) => {
    const remote = await remoteServer(
      t,
      modern(({ message }, response) => {
        if (message.method !== 'subscriptions/listen') return false;
        const stream = events(response);
        for (const one of messages) stream.send(one);
        return true;
      }, subscribing),
    );
    const one = listeningTo(['a://1']);
    await assert.rejects(upstreamOf(t, remote.settings).listen(one.listening), failed(detail));
    assert.equal(one.times(), 0);
  });

test('listenings are bounded, and leave the calls their connections', async (t) => {
  const remote = await remoteServer(
    t,
    modern(({ message }, response) => {
      if (message.method !== 'subscriptions/listen') return false;
      events(response).send(acknowledge(['a://1']));
      return true;
    }, subscribing),
  );
  const upstream = upstreamOf(t, remote.settings);
  const held = Array.from({ length: 128 }, (_, n) => listeningTo(['a://1'], `s${n % 8}`));
  const ends = held.map(({ listening }) => upstream.listen(listening));
  await Promise.all(held.map(({ ready }) => ready));
  for (const subject of ['s0', 'other'])
    await assert.rejects(upstream.listen(listeningTo(['a://1'], subject).listening), failed(/no room/, 'overload'));
  assert.match((await upstream.call(callOf({ echo: 'free' }))).raw, /free/);
  for (const { stop } of held) stop.abort();
  await Promise.all(ends);
  const again = listeningTo(['a://1'], 's0');
  const end = upstream.listen(again.listening);
  await again.ready;
  again.stop.abort();
  await end;
});

test('a stream that floods is given up, and a closed upstream tells its listeners', async (t) => {
  const flood = await remoteServer(
    t,
    modern(({ message }, response) => {
      if (message.method !== 'subscriptions/listen') return false;
      const stream = events(response);
      stream.send(acknowledge([]));
      stream.raw(`data: ${JSON.stringify(listChanged)}\n\n`.repeat(40_000));
      return true;
    }, subscribing),
  );
  const one = listeningTo([]);
  const upstream = upstreamOf(t, flood.settings);
  const end = upstream.listen(one.listening).catch((error: unknown) => error);
  await one.ready;
  await until(() => flood.asked('subscriptions/listen').length === 2);
  assert.ok(one.heard.length <= 2000, `${one.heard.length} heard`);
  await upstream.close();
  failed(/closed/)(await end);
});

test('tells every server with sessions when they are over', async (t) => {
  const remote = await remoteServer(
    t,
    keepingSessions(() => false),
  );
  const upstream = upstreamOf(t, remote.settings);
  for (const subject of ['alice', 'bob']) await upstream.call(callOf({ subject }));
  await upstream.close();
  const ended = remote.heard.filter(({ method }) => method === 'DELETE');
  assert.deepEqual(new Set(ended.map(({ headers }) => headers['mcp-session-id'])), new Set(['session-1', 'session-2']));
});
