import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../src/contract/caller.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { server } from '../edge/bench.ts';
import { verifies } from '../support/verifies.ts';
import { type Asked, bob, house, message, type Opened, open, permit, settled, Told } from './support.ts';

const READS = ['files', 'notes'].map((name) => permit('alice', `${name}#resources/subscribe`)).join('');

const META = 'io.modelcontextprotocol/subscriptionId';

interface Stream extends Told {
  readonly result: Promise<string>;
  readonly leave: () => void;
}

function listen(all: Opened, notifications: unknown, policies = READS, asked: Asked = {}, from?: Refusal): Stream {
  const { admit } = house(policies);
  const told = new Told();
  const gone = new AbortController();
  const { notify } = told;
  const caller: Caller = {
    capabilities: {},
    logLevel: undefined,
    signal: gone.signal,
    notify,
    ask: undefined,
    session: undefined,
  };
  const modern = { ...asked, revision: '2026-07-28' } as const;
  const call = message('subscriptions/listen', { notifications }, modern);
  const result = all.subscriptions.listen(call, caller, (uri) => {
    if (from !== undefined) throw from;
    return admit(message('resources/subscribe', { uri }, modern));
  });
  return Object.assign(told, { result, leave: () => gone.abort() });
}

async function opened(policies = READS): Promise<Opened> {
  const all = open();
  await all.subscriptions.bundleApplied(house(policies).view, []);
  return all;
}

test('acknowledges first what it honours, then tells only that, each under the id of the request', async () => {
  const all = await opened();
  const stream = listen(
    all,
    {
      toolsListChanged: true,
      promptsListChanged: false,
      resourceSubscriptions: ['files+file:///a', 'notes+file:///b'],
    },
    READS,
    { id: '"\\u0061b"' },
  );
  await settled();
  assert.deepEqual(stream.messages.splice(0), [
    `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["files+file:///a","notes+file:///b"]},"_meta":{"${META}":"\\u0061b"}}}`,
  ]);
  all.servers.tell(
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"${META}":"theirs","x":[ 1 ]}}}`,
  );
  all.servers.update('file:///b', { _meta: 7 });
  all.servers.tell({ jsonrpc: '2.0', method: 'notifications/resources/list_changed' });
  assert.deepEqual(stream.messages.splice(0), [
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"files+file:///a","_meta":{"x":[ 1 ],"${META}":"\\u0061b"}}}`,
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"notes+file:///b","_meta":{"${META}":"\\u0061b"}}}`,
  ]);
  const more = READS + permit('alice', 'files/read') + permit('alice', 'files#prompts/get');
  await all.subscriptions.bundleApplied(house(more).view, []);
  assert.deepEqual(stream.messages, [
    `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${META}":"\\u0061b"}}}`,
  ]);
  stream.leave();
  assert.equal(await stream.result, `{"resultType":"complete","_meta":{"${META}":"\\u0061b"}}`);
  assert.deepEqual([all.servers.runs.length, all.clock.timers], [0, 0]);
});

test('what is not there, not permitted, or not accepted by its server is left out of the acknowledgement alike', async () => {
  verifies('authz.default-deny');
  const policies = permit('alice', 'files#resources/subscribe', ' when { context.args.uri like "file:///public/*" }');
  const all = await opened(policies);
  all.servers.refuses.add('file:///public/bad');
  const uris = ['files+file:///secret', 'notes+file:///public/a', 'nope+x:y', 'no uri', 'files+file:///public/bad'];
  const bad = listen(all, { resourcesListChanged: true, resourceSubscriptions: uris }, policies);
  await settled();
  assert.match(bad.messages[0] ?? '', /"notifications":\{"resourcesListChanged":true\}/);
  all.servers.refuses.clear();
  const good = listen(all, { resourceSubscriptions: [...uris, 'files+file:///public/a'] }, policies);
  await settled();
  assert.match(
    good.messages[0] ?? '',
    /"resourceSubscriptions":\["files\+file:\/\/\/public\/bad","files\+file:\/\/\/public\/a"\]/,
  );
  const none = listen(all, { resourceSubscriptions: ['nope+x:y'] }, policies);
  assert.match(await none.result, /"complete"/, 'a stream on which nothing can come ends at once');
  assert.match(none.messages[0] ?? '', /"notifications":\{\}/);
  for (const code of ['audit', 'unavailable'] as const) {
    const fails = listen(all, { resourceSubscriptions: ['x:y'] }, policies, {}, new Refusal(code, ''));
    await assert.rejects(fails.result, (error: Refusal) => error.code === code, 'not about the resource');
  }
});

test('a change is told only on the streams of the subject that it is one for', async () => {
  verifies('authz.default-deny');
  const all = await opened();
  const wish = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const streams = [
    listen(all, wish),
    listen(all, wish, READS, { subject: bob }),
    listen(all, wish, READS, { subject: bob, path: 'notes' }),
    listen(all, { promptsListChanged: true }, READS, { subject: bob }),
  ];
  await settled();
  const push = async (policies: string) => {
    await all.subscriptions.bundleApplied(house(policies).view, []);
    return streams.map((stream) => stream.take().join());
  };
  assert.deepEqual(await push(READS), Array(4).fill('subscriptions/acknowledged'));
  assert.deepEqual(await push(READS + permit('bob', 'files/read')), ['', 'tools/list_changed', '', '']);
  assert.deepEqual(await push(READS + permit('bob', 'notes#prompts/get')), [
    '',
    'tools/list_changed,prompts/list_changed',
    'prompts/list_changed',
    'prompts/list_changed',
  ]);
});

test('a stream ends with its token, with its revocation, and tells nothing after that', async () => {
  verifies('authn.edge');
  const all = await opened();
  const days = 40 * 24 * 3_600_000;
  const wish = { toolsListChanged: true, resourceSubscriptions: ['files+file:///a'] };
  const [short, long, revoked] = [{ until: 60_000 }, { until: days }, { subject: bob }].map((asked) =>
    listen(all, wish, READS, asked),
  ) as [Stream, Stream, Stream];
  await all.clock.pass(59_999);
  all.servers.update('file:///a');
  for (const stream of [short, long]) {
    assert.deepEqual(stream.take(), ['subscriptions/acknowledged', 'resources/updated files+file:///a']);
  }
  await all.clock.pass(1);
  assert.match(await short.result, /"complete"/);
  assert.equal(all.servers.runs.length, 1);
  all.subscriptions.revoke(({ tokenId }) => tokenId === 'token-bob');
  assert.match(await revoked.result, /"complete"/);
  await all.clock.pass(1_000);
  all.servers.update('file:///a');
  await all.subscriptions.bundleApplied(house(READS + permit('alice', 'files/read')).view, []);
  assert.deepEqual([short.take(), revoked.take()], [[], ['subscriptions/acknowledged']]);
  assert.deepEqual(long.take(), ['resources/updated files+file:///a', 'tools/list_changed']);
  // A timer of the platform that is set for more than 24.8 days rings at once.
  await all.clock.pass(days - 70_000);
  all.servers.update('file:///a');
  assert.deepEqual(long.take(), ['resources/updated files+file:///a']);
  await all.clock.pass(70_000);
  assert.match(await long.result, /"complete"/);
  assert.deepEqual([all.servers.runs.length, all.clock.timers], [0, 0]);
});

test('refuses wishes of another shape, above 64 resources, and the seventeenth stream of one subject', async () => {
  verifies('input.bounds', 'input.strict');
  const all = await opened();
  const refused = async (notifications: unknown, code: string) => {
    const stream = listen(all, notifications);
    await assert.rejects(stream.result, (error: Refusal) => error.code === code, JSON.stringify(notifications));
    assert.deepEqual(stream.messages, []);
  };
  const bad = [undefined, null, 7, [], { toolsListChanged: 'true' }, { resourcesListChanged: null }];
  const worse = [{ resourceSubscriptions: 'x:y' }, { resourceSubscriptions: [1] }, { resourceSubscriptions: {} }];
  for (const wish of [...bad, ...worse]) await refused(wish, 'params');
  await refused({ resourceSubscriptions: Array.from({ length: 65 }, (_, at) => `x:${at}`) }, 'overload');

  const wish = { toolsListChanged: true, resourceSubscriptions: Array(65).fill('files+file:///a') };
  const open16 = Array.from({ length: 16 }, () => listen(all, wish));
  await settled();
  await refused(wish, 'overload');
  const others = listen(all, wish, READS, { subject: bob });
  await settled();
  assert.equal(others.messages.length, 1, 'another subject is not kept out by that');
  all.subscriptions.close();
  for (const stream of [...open16, others]) assert.match(await stream.result, /"complete"/);
  assert.deepEqual([all.servers.runs.length, all.clock.timers], [0, 0]);
});

test('who loses the right by a push keeps the stream, and is told of that resource no more', async () => {
  verifies('authz.default-deny');
  const all = await opened();
  const stream = listen(all, { resourceSubscriptions: ['files+file:///a', 'notes+file:///b'] });
  await settled();
  stream.take();
  const applied = all.subscriptions.bundleApplied(house(permit('alice', 'notes#resources/subscribe')).view, []);
  for (const uri of ['a', 'b']) all.servers.update(`file:///${uri}`);
  assert.deepEqual(stream.take(), ['resources/updated notes+file:///b']);
  await applied;
  assert.deepEqual(
    all.servers.runs.map(({ server: name }) => name),
    ['notes'],
  );
  const without = house('', [server('files', [])]).view;
  await all.subscriptions.bundleApplied(without, []);
  assert.equal(all.servers.runs.length, 0);
  stream.leave();
  await stream.result;
});

test('a client that goes before its stream has begun leaves nothing behind', async () => {
  const all = await opened();
  all.servers.isMute = true;
  const stream = listen(all, { toolsListChanged: true, resourceSubscriptions: ['files+file:///a'] });
  await settled();
  assert.equal(all.servers.runs.length, 1);
  stream.leave();
  await assert.rejects(stream.result, (error: Refusal) => error.code === 'unavailable');
  assert.deepEqual([stream.messages, all.servers.runs.length, all.clock.timers], [[], 0, 0]);
});
