import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { kinds } from '../clients/support/clients.ts';
import { opened, works } from '../clients/support/flows.ts';
import { noRedis } from '../state/support.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { attempts, end, LegacySession, modern, result, text } from './support/attempts.ts';
import { Fleet } from './support/fleet.ts';
import { type Json, Wire } from './support/wire.ts';

const MANY = 40;
const DEPLOY = { name: 'old__deploy', arguments: { to: 'production' } };
const ACCEPTED = { action: 'accept', content: { approve: true, note: 'go' } };

test('one address, three gateways, no affinity', { skip: noRedis, timeout: 300_000 }, async (t) => {
  const fleet = await Fleet.start(t, {
    prepare: async ({ dir }) => {
      const file = join(dir, 'innerkeep.yaml');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^ {2}old:$/m, '$&\n    max_answer: 4KiB'));
    },
  });
  const [alice, bob] = [new Wire(fleet, await fleet.token()), new Wire(fleet, await fleet.token('bob'))];
  t.after(() => [alice, bob].map((wire) => wire.close()));
  /** Has each replica asked. */
  const everywhere = <T>(ask: (at: number) => Promise<T>): Promise<T[]> => Promise.all([0, 1, 2].map(ask));

  await t.test('sessions of both eras work: initialize, list, call, form, resumption, delete', async (t) => {
    const failed = await attempts([alice, bob, alice, bob], MANY);
    t.diagnostic(`${MANY - failed.length} of ${MANY}`);
    assert.deepEqual(failed, []);
  });

  for (const kind of kinds)
    await t.test(`${kind} has all that one gateway gives it`, async () => {
      const way = { url: fleet.mcp, ca: fleet.ca, token: await fleet.token() };
      await using client = await opened(kind, way);
      for (const server of ['old', 'new']) await works(client.client, client.who, `${server}__`);
    });

  await t.test('refuses another subject a session, its events and its questions, at every replica', async () => {
    verifies('authn.edge');
    const session = await LegacySession.open(alice);
    const call = await session.call(DEPLOY.name, DEPLOY.arguments);
    let question: Json;
    for await (const message of call.messages) {
      question = message;
      if (message.method === 'elicitation/create') break;
    }
    const stolen = new LegacySession(bob, session.id);
    const own = await LegacySession.open(bob);
    const events = { 'last-event-id': call.lastEventId() };
    assert.deepEqual(
      await everywhere(async (at) => (await stolen.request('ping', {}, { at })).status),
      [404, 404, 404],
    );
    assert.deepEqual(
      await everywhere(async (at) => (await stolen.send(undefined, { method: 'GET', headers: events, at })).status),
      [404, 404, 404],
    );
    assert.deepEqual(
      await everywhere(async (at) => (await own.send(undefined, { method: 'GET', headers: events, at })).status),
      [400, 400, 400],
    );
    // The same id in a session of his own is nobody's question, and waits on.
    await own.answer(question, { action: 'decline' });
    assert.deepEqual(
      await everywhere(async (at) => (await stolen.send({ id: question.id, result: ACCEPTED }, { at })).status),
      [404, 404, 404],
    );
    assert.deepEqual(await everywhere((at) => stolen.delete(at)), [404, 404, 404]);
    await session.answer(question);
    const said = [];
    for await (const message of (await session.listen(call.lastEventId())).messages) said.push(message);
    assert.match(text(said.at(-1)?.result), /^deployed/);
    assert.equal(await session.delete(), 204);
    assert.equal(await own.delete(), 204);
  });

  await t.test('the rest of a cut answer is read at every replica, by the subject whose it is', async () => {
    verifies('output.size');
    const long = Array.from({ length: 700 }, (_, line) => `line ${line}\n`).join('');
    const call = { name: 'old__summarise', arguments: { text: 'all of it' } };
    const ability = { sampling: {} };
    const { requestState, inputRequests } = await result(modern(alice, 'tools/call', call, ability, 0));
    const [key = ''] = Object.keys(inputRequests);
    const said = { role: 'assistant', content: { type: 'text', text: long }, model: 'm' };
    const answered = { ...call, inputResponses: { [key]: said }, requestState };
    const cut = await result(modern(alice, 'tools/call', answered, ability, 1));
    const { next: uri } = cut._meta['innerkeep/rest'];
    const rests = await everywhere(async (at) => {
      const { contents } = await result(modern(alice, 'resources/read', { uri }, {}, at));
      return contents[0].text;
    });
    const rest = rests[0] ?? '';
    assert.deepEqual(rests, [rest, rest, rest]);
    assert.ok(rest.length > 1000 && long.endsWith(rest));
    assert.equal(cut.content[0].text, `assistant: ${long.slice(0, -rest.length)}`);
    const refusals = await everywhere(
      async (at) => (await end(await modern(bob, 'resources/read', { uri }, {}, at)))?.error?.code,
    );
    assert.deepEqual(new Set(refusals), new Set([-32602]));
  });

  await t.test('refuses a held call to another principal, for another call, and a second time', async () => {
    const { requestState, inputRequests } = await result(modern(alice, 'tools/call', DEPLOY));
    const [key = ''] = Object.keys(inputRequests);
    const answered = { ...DEPLOY, inputResponses: { [key]: ACCEPTED }, requestState };
    const refused = async (wire: Wire, params: object, at: number) =>
      (await end(await modern(wire, 'tools/call', params, {}, at)))?.error?.code;
    const other = { ...answered, arguments: { to: 'elsewhere' } };
    assert.deepEqual(await everywhere((at) => refused(bob, answered, at)), [-32602, -32602, -32602]);
    assert.deepEqual(await everywhere((at) => refused(alice, other, at)), [-32602, -32602, -32602]);
    assert.match(text(await result(modern(alice, 'tools/call', answered))), /^deployed/);
    assert.deepEqual(await everywhere((at) => refused(alice, answered, at)), [-32602, -32602, -32602]);
  });

  await t.test('what is cancelled, or set, at one replica holds at the one that has the session', async () => {
    const session = await LegacySession.open(alice);
    const call = await session.call(DEPLOY.name, DEPLOY.arguments);
    for await (const { method } of call.messages) if (method === 'elicitation/create') break;
    const cancelled = { method: 'notifications/cancelled', params: { requestId: session.last } };
    await everywhere(async (at) => assert.equal((await session.send(cancelled, { at })).status, 202));
    // Cancelled, its id is free again: it can be in flight once. What was cancelled is over a little later.
    const ping = async (at: number) => (await session.send({ id: session.last, method: 'ping' }, { at })).status;
    await until(async () => (await ping(0)) === 200);
    assert.deepEqual([await ping(1), await ping(2)], [200, 200]);
    call.cut();
  });

  await t.test(
    'a replica that is killed loses the calls that it held; its sessions live on at the others',
    async () => {
      const sessions = [];
      for (let turn = 0; turn < 6; turn++) sessions.push(await LegacySession.open(alice));
      const stream = await sessions[0]?.listen();
      await fleet.replica(0).stop('SIGKILL');
      const fresh = new Wire(fleet, await fleet.token());
      const stolen = new Wire(fleet, await fleet.token('bob'));
      t.after(() => [fresh, stolen].map((wire) => wire.close()));
      stream?.cut();
      for (const { id } of sessions) {
        assert.equal((await new LegacySession(stolen, id).request('ping')).status, 404);
        const session = new LegacySession(fresh, id);
        assert.equal(text(await session.result('tools/call', ECHO)), 'hello');
        assert.equal((await session.request('ping')).status, 200);
        assert.equal(await session.delete(), 204);
        assert.equal((await session.request('ping')).status, 404);
      }
      assert.deepEqual(await attempts([fresh], 8), []);
    },
  );
});

const ECHO = { name: 'old__echo', arguments: { text: 'hello' } };
