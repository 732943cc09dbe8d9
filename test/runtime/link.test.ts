import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { encodeFrame } from '../../src/contract/runtime-link.ts';
import { RuntimeLink } from '../../src/gateway/execution/runtime-link.ts';
import { startRuntime } from '../../src/runtime/runtime.ts';
import { verifies } from '../support/verifies.ts';
import { json, remoteServer } from './remote-server.ts';
import { callTool, runtimeWith, stdioServer } from './support.ts';

test('only the owner may open the socket', async (t) => {
  const { bundle } = await runtimeWith(t, []);
  assert.equal((await stat(bundle.socket)).mode & 0o777, 0o600);
});

test('two gateways with the same call ids get their own answers', async (t) => {
  const remote = await remoteServer(t, () => false);
  const { link, bundle } = await runtimeWith(t, [remote.settings]);
  const second = new RuntimeLink(bundle.socket);
  t.after(() => second.close());
  const calls = [link, second].flatMap((one, which) =>
    Array.from({ length: 20 }, (_, n) => callTool(one, { server: 'crm', echo: `${which}/${n}` })),
  );
  const expected = [0, 1].flatMap((which) => Array.from({ length: 20 }, (_, n) => `${which}/${n}`));
  assert.deepEqual(await Promise.all(calls), expected);
});

test('a broken gateway loses its own connection and nobody else any', async (t) => {
  const remote = await remoteServer(t, () => false);
  const { link, bundle } = await runtimeWith(t, [remote.settings]);
  const twice = encodeFrame({ kind: 'describe', id: 1, server: 'crm' });
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0, 0, 0, 4, 0, 2, 0x7b, 0x7d]),
    Buffer.concat([twice, twice]),
  ]) {
    const socket = connect(bundle.socket);
    socket.on('error', () => {});
    socket.write(bytes);
    await once(socket, 'close');
    assert.equal(await callTool(link, { server: 'crm', echo: 'unharmed' }), 'unharmed');
  }
});

test('a server is run for no gateway that was told of another sandbox than it has, or of none', async (t) => {
  verifies('sandbox.profile');
  const { link } = await runtimeWith(t, [stdioServer('', { profile: 'as signed' })]);
  const refused = { code: 'isolation', detail: /not the one that zone 0 has signed/ };
  for (const profile of [undefined, 'of an older bundle']) {
    if (profile !== undefined) link.demand(new Map([['tool', profile]]));
    await assert.rejects(callTool(link, {}), refused);
    const { signal } = new AbortController();
    const listening = { uris: [], subject: 'alice', signal, ready: () => {}, notify: () => {} };
    await assert.rejects(link.listen('tool', listening), refused);
  }
  link.demand(new Map([['tool', 'as signed']]));
  assert.equal(await callTool(link, { echo: 'run' }), 'run');
});

test('a link that was lost is made again for the next call', async (t) => {
  const remote = await remoteServer(t, () => false);
  const { link, bundle, runtime } = await runtimeWith(t, [remote.settings]);
  assert.equal(await callTool(link, { server: 'crm', echo: 'before' }), 'before');
  await runtime.close();
  await assert.rejects(callTool(link, { server: 'crm' }), { code: 'unavailable' });
  const again = await startRuntime({ bundle, drivers: {}, now: Date.now, log: () => {} });
  t.after(() => again.close());
  assert.equal(await callTool(link, { server: 'crm', echo: 'after' }), 'after');
});

test('a call that nobody waits for any more is withdrawn from an older remote server', async (t) => {
  const withdrawn = Promise.withResolvers<unknown>();
  const controller = new AbortController();
  const remote = await remoteServer(t, ({ message }, response) => {
    if (message.method === 'notifications/cancelled') withdrawn.resolve(message.params);
    if (message.method !== 'tools/call') return false;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': working\n\n');
    controller.abort();
    return true;
  });
  const { link } = await runtimeWith(t, [remote.settings]);
  await assert.rejects(callTool(link, { server: 'crm', signal: controller.signal }), { code: 'unavailable' });
  const [call] = remote.asked('tools/call');
  assert.deepEqual(await withdrawn.promise, { requestId: call?.message.id });
});

test('a result of many megabytes arrives whole', async (t) => {
  const text = 'é'.repeat(6_000_000);
  const remote = await remoteServer(t, ({ message: { id, method } }, response) => {
    if (method !== 'tools/call') return false;
    return json(response, { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });
  });
  const { link } = await runtimeWith(t, [{ ...remote.settings, maxResult: 16 << 20 }]);
  assert.ok((await callTool(link, { server: 'crm' })) === text);
});
