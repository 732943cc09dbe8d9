import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Refusal } from '../../src/contract/refusal.ts';
import { server } from '../edge/bench.ts';
import { verifies } from '../support/verifies.ts';
import { alice, bob, house, message, open, permit, person, settled, TestSession } from './support.ts';

const READS = ['files', 'notes'].map((name) => permit('alice', `${name}#resources/subscribe`)).join('');
const PUBLIC = permit('alice', 'files#resources/subscribe', ' when { context.args.uri like "file:///public/*" }');

function code(expected: string) {
  return (error: Refusal) => error.code === expected;
}

async function opened(policies = READS) {
  const all = open();
  const { admit, view } = house(policies);
  await all.subscriptions.bundleApplied(view, []);
  const session = new TestSession(alice);
  const ask = async (method: string, uri: string, from = session) => {
    const call = await admit(message(`resources/${method}`, { uri }, { subject: from.subject, path: from.server }));
    return method === 'subscribe'
      ? all.subscriptions.subscribe(call, from.caller())
      : all.subscriptions.unsubscribe(call, from.caller());
  };
  return { ...all, admit, view, session, ask, subscribe: (uri: string, from = session) => ask('subscribe', uri, from) };
}

test('an update reaches only the session that subscribed to that very resource, under the name it used', async () => {
  verifies('authz.default-deny');
  const { servers, session, subscribe, clock } = await opened();
  const own = new TestSession(alice, 'files');
  const idle = new TestSession(alice);
  assert.equal(await subscribe('files+file:///a'), '{}');
  assert.equal(await subscribe('notes+file:///a'), '{}');
  assert.equal(await subscribe('file:///a', own), '{}');
  assert.deepEqual(
    servers.runs.map(({ server: name, listening }) => [name, listening.uris, listening.subject]),
    [
      ['files', ['file:///a'], 'alice'],
      ['notes', ['file:///a'], 'alice'],
      ['files', ['file:///a'], 'alice'],
    ],
  );
  servers.update('file:///a');
  assert.deepEqual(session.take(), ['resources/updated files+file:///a', 'resources/updated notes+file:///a']);
  assert.deepEqual(own.take(), ['resources/updated file:///a']);
  for (const uri of ['file:///b', 'file:///a/sub', 'files+file:///a', 'file:///A', '']) servers.update(uri);
  await clock.pass(10_000);
  assert.deepEqual([...session.take(), ...own.take(), ...idle.take()], []);
});

test('a server cannot say anything else on that way', async () => {
  verifies('output.secrets');
  const { servers, session, subscribe, clock } = await opened();
  await subscribe('files+file:///a');
  for (const hostile of [
    'nonsense',
    '[]',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated"}',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":["file:///a"]}}',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///b","uri":"file:///a"}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"x"}}',
    '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"uri":"file:///a"}}',
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","x":"${'x'.repeat(70_000)}"}}`,
  ]) {
    servers.tell(hostile);
  }
  assert.deepEqual(session.messages, []);

  const secret = `ghp_${'A1b2C3d4'.repeat(5).slice(0, 36)}`;
  servers.tell(
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"x":1.0e0,"_meta":{"io.modelcontextprotocol/subscriptionId":7,"own":1},"uri" :"file:\\/\\/\\/a","note":"${secret}"}}`,
  );
  assert.equal(session.messages.length, 1);
  assert.match(
    session.messages[0] ?? '',
    /"x":1\.0e0,"_meta":\{"own":1\},"uri" :"files\+file:\/\/\/a","note":"\[redacted/,
  );
  assert.doesNotMatch(session.messages[0] ?? '', /ghp_|subscriptionId/);
  await clock.pass(1_000);
  servers.tell('{"jsonrpc":"2.0","method":"notifications/resources/list_changed","params":{"x":"y"}}');
  assert.equal(session.messages[1], '{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}');
});

test('a burst of updates arrives as its first and its last', async () => {
  const { servers, session, subscribe, clock } = await opened();
  await subscribe('files+file:///a');
  await subscribe('files+file:///b');
  for (let turn = 0; turn < 10_000; turn++) servers.update('file:///a', { turn });
  servers.update('file:///b');
  assert.deepEqual(session.take(), ['resources/updated files+file:///a', 'resources/updated files+file:///b']);
  await clock.pass(10_000);
  assert.equal(session.messages.length, 1);
  assert.match(session.messages[0] ?? '', /"turn":9999/);
  assert.equal(clock.timers, 0);
});

test('a flood of changed lists arrives as its first and its last, so that it displaces no other event', async () => {
  const { servers, session, subscribe, clock } = await opened();
  await subscribe('files+file:///a');
  const changed = '{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}';
  for (let turn = 0; turn < 1000; turn++) servers.tell(changed);
  assert.deepEqual(session.messages, [changed]);
  await clock.pass(10_000);
  assert.deepEqual(session.messages, [changed, changed]);
  assert.equal(clock.timers, 0);
});

test('one run for a session and server: it grows without a gap, and ends with its last resource', async () => {
  const { servers, session, subscribe, ask } = await opened();
  await subscribe('files+file:///a');
  const [first] = servers.runs;
  const growing = subscribe('files+file:///b');
  await Promise.resolve();
  servers.update('file:///a');
  assert.deepEqual(session.take(), ['resources/updated files+file:///a'], 'told by the old run meanwhile');
  await growing;
  assert.deepEqual(
    servers.runs.map(({ listening }) => listening.uris),
    [['file:///a', 'file:///b']],
  );
  assert.ok(first?.listening.signal.aborted);
  await subscribe('files+file:///b');
  assert.equal(servers.started, 2, 'what is subscribed to already costs nothing');
  await ask('unsubscribe', 'files+file:///a');
  servers.update('file:///a');
  servers.update('file:///b');
  assert.deepEqual(session.take(), ['resources/updated files+file:///b']);
  await ask('unsubscribe', 'files+file:///b');
  assert.equal(servers.runs.length, 0);
  await ask('unsubscribe', 'files+file:///never');
});

test('a subscription that the server does not accept is refused, and leaves nothing behind', async () => {
  const { servers, session, subscribe, clock, subscriptions, admit } = await opened();
  await subscribe('files+file:///a');
  servers.refuses.add('file:///bad');
  await assert.rejects(subscribe('files+file:///bad'), code('upstream'));
  servers.isMute = true;
  const late = assert.rejects(subscribe('files+file:///late'), code('upstream'));
  await clock.pass(30_000);
  await late;
  const gone = new AbortController();
  const call = await admit(message('resources/subscribe', { uri: 'files+file:///x' }));
  const cancelled = assert.rejects(subscriptions.subscribe(call, session.caller(gone.signal)), code('unavailable'));
  await settled();
  gone.abort();
  await cancelled;
  assert.deepEqual(
    servers.runs.map(({ listening }) => listening.uris),
    [['file:///a']],
  );
  for (const uri of ['bad', 'late', 'x', 'a']) servers.update(`file:///${uri}`);
  assert.deepEqual(session.take(), ['resources/updated files+file:///a']);
});

test('a run that is lost is begun again, ever more slowly, and counts as an update of everything', async () => {
  const { servers, session, subscribe, clock } = await opened();
  await subscribe('files+file:///a');
  servers.refuses.add('file:///a');
  servers.runs[0]?.die();
  await clock.pass(120_000);
  assert.ok(servers.started > 5 && servers.started < 12, String(servers.started));
  assert.deepEqual(session.take(), []);
  servers.refuses.clear();
  await clock.pass(60_000);
  assert.deepEqual(session.take(), ['resources/updated files+file:///a', 'resources/list_changed']);
  servers.runs[0]?.die();
  session.end();
  await clock.pass(600_000);
  assert.deepEqual([servers.runs.length, session.take(), clock.timers], [0, [], 0]);
});

test('refuses a subscription without a session, for one that has ended, and above 64 resources', async () => {
  verifies('input.bounds');
  const { servers, session, subscribe, subscriptions, admit } = await opened();
  const call = await admit(message('resources/subscribe', { uri: 'files+file:///a' }));
  const stateless = { ...session.caller(), session: undefined };
  await assert.rejects(subscriptions.subscribe(call, stateless), code('params'));
  await assert.rejects(subscriptions.unsubscribe(call, stateless), code('params'));

  const many = Array.from({ length: 80 }, (_, at) => subscribe(`${at % 2 ? 'files' : 'notes'}+file:///${at}`));
  const results = await Promise.allSettled(many);
  const refused = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as Refusal] : []));
  assert.deepEqual([refused.length, new Set(refused.map((one) => one.code))], [16, new Set(['overload'])]);
  await assert.rejects(subscribe('files+file:///more'), code('overload'));
  assert.equal(servers.runs.length, 2);

  session.end();
  assert.equal(servers.runs.length, 0, 'the runs end with their session');
  await assert.rejects(subscribe('files+file:///a'), code('unknown-session'));
});

test('what cannot be subscribed to is refused before any server is asked', async () => {
  verifies('authz.default-deny');
  const mute = server('mute', [], { capabilities: { resources: {} } });
  const { admit } = house(PUBLIC + permit('alice', 'mute#resources/subscribe'), [server('files', []), mute]);
  const ask =
    (uri: string, subject = alice) =>
    () =>
      admit(message('resources/subscribe', { uri }, { subject }));
  assert.ok(await ask('files+file:///public/a')());
  await assert.rejects(ask('files+file:///secret'), code('policy'));
  await assert.rejects(ask('files+file:///public/../secret'), code('validation'));
  await assert.rejects(ask('files+file:///public/a', bob), code('unknown-resource'));
  await assert.rejects(ask('files+file:///public/a', person('alice', 'other')), code('unknown-resource'));
  await assert.rejects(ask('mute+file:///a'), code('unknown-resource'), 'a server that never said it tells of updates');
  await assert.rejects(ask('nope+file:///a'), code('unknown-resource'));
  await assert.rejects(ask('files+not a uri'), code('params'));
});

test('a policy change that affects only bob is told only to bob', async () => {
  verifies('authz.default-deny');
  const { subscriptions, session, faults } = await opened();
  const [his, hisFiles, hisNotes] = [
    new TestSession(bob),
    new TestSession(bob, 'files'),
    new TestSession(bob, 'notes'),
  ];
  const everyone = [session, his, hisFiles, hisNotes];
  const push = async (policies: string, servers?: Parameters<typeof house>[1]) => {
    await subscriptions.bundleApplied(house(policies, servers).view, everyone);
    return everyone.map((one) => one.take().join());
  };
  assert.deepEqual(await push(READS), ['', '', '', '']);
  assert.deepEqual(await push(READS + permit('bob', 'files/read')), [
    '',
    'tools/list_changed',
    'tools/list_changed',
    '',
  ]);
  assert.deepEqual(await push(READS + permit('bob', 'files/write')), [
    '',
    'tools/list_changed',
    'tools/list_changed',
    '',
  ]);
  const narrowed = permit('bob', 'files/write', ' when { context.args has name && context.args.name == "x" }');
  assert.deepEqual(await push(READS + narrowed), ['', '', '', ''], 'with other arguments, but in the same list');
  assert.deepEqual(await push(READS + narrowed + permit('bob', 'notes#prompts/get')), [
    '',
    'prompts/list_changed',
    '',
    'prompts/list_changed',
  ]);
  assert.deepEqual(await push(READS + permit('bob', 'notes#resources/list')), [
    '',
    'tools/list_changed,prompts/list_changed,resources/list_changed',
    'tools/list_changed',
    'prompts/list_changed,resources/list_changed',
  ]);
  const updated = server('notes', ['read'], { serverInfo: { name: 'notes-server', version: '2' } });
  assert.deepEqual(await push(READS + permit('bob', 'notes#resources/list'), [server('files', []), updated]), [
    '',
    'resources/list_changed',
    '',
    'resources/list_changed',
  ]);
  assert.deepEqual(faults, []);
});

test('who loses the right to a resource by a push is told of it no more, from that moment on', async () => {
  verifies('authz.default-deny');
  const { subscriptions, session, servers, subscribe, clock } = await opened();
  await subscribe('files+file:///public/a');
  await subscribe('files+file:///secret');
  await subscribe('notes+file:///n');
  servers.update('file:///secret');
  servers.update('file:///secret', { held: 'back' });
  assert.deepEqual(session.take(), ['resources/updated files+file:///secret']);
  const applied = subscriptions.bundleApplied(house(PUBLIC).view, [session]);
  // The bundle is in force; nothing has been gone through yet.
  for (const uri of ['public/a', 'secret', 'n']) servers.update(`file:///${uri}`);
  assert.deepEqual(session.take(), ['resources/updated files+file:///public/a']);
  await applied;
  await clock.pass(1_000);
  assert.deepEqual(session.take(), [], 'not even what was held back before');
  assert.deepEqual(
    servers.runs.map(({ server: name }) => name),
    ['files'],
    'nothing is listened to any more at the other one',
  );
  await subscriptions.bundleApplied(house(READS).view, [session]);
  await clock.pass(1_000);
  for (const uri of ['public/a', 'secret', 'n']) servers.update(`file:///${uri}`);
  assert.deepEqual(
    session.take(),
    ['resources/updated files+file:///public/a'],
    'a right that comes back is asked for anew',
  );
  await subscriptions.bundleApplied(house('').view, [session]);
  assert.equal(servers.runs.length, 0);
});
