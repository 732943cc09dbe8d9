import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { type Records, StateUnavailable } from '../../src/contract/state-store.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { KeptHomes } from '../../src/gateway/replicas/kept-homes.ts';
import { LIMITS } from '../../src/gateway/sessions/limits.ts';
import { Sessions } from '../../src/gateway/sessions/sessions.ts';
import * as support from '../sessions/support.ts';
import { alice, bob, count, settled, subject, TestClock, type Wish } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';

const MINUTE = 60_000;
/** Every token ends. */
const until = 10 ** 12;
const head = (wish: Wish) => support.head({ until, ...wish });
const request = (id: string, wish: Wish) => support.request(id, { until, ...wish });
const framed = (message: support.Message, wish: Wish) => support.framed(message, { until, ...wish });

/** Replicas of one fleet, in one process, with one store. */
function fleet() {
  const clock = new TestClock();
  const now = () => clock.now();
  const store = memoryStore(now, { steady: now });
  const away = { is: false };
  /** Readings that come through, and what the others wait for; and what writings wait for. */
  const hold = { after: Number.POSITIVE_INFINITY, until: Promise.resolve(), writing: Promise.resolve() };
  const reading = () => (--hold.after < 0 ? hold.until : undefined);
  const ask = <T>(work: () => Promise<T>): Promise<T> =>
    away.is ? Promise.reject(new StateUnavailable('away')) : work();
  const records: Records = {
    read: async (...what) => {
      await reading();
      return ask(() => store.records.read(...what));
    },
    write: async (...what) => {
      await hold.writing;
      return ask(() => store.records.write(...what));
    },
    remove: (...what) => ask(() => store.records.remove(...what)),
  };
  const replica = (me: string) => new Sessions({ clock, shared: { records, me } });
  return { clock, records, away, hold, one: replica('one'), two: replica('two'), three: replica('three') };
}

async function open(sessions: Sessions, wish: Wish = {}, capabilities: object = {}): Promise<string> {
  const id = sessions.open(framed({ id: '0', method: 'initialize', params: { capabilities } }, wish).call);
  await sessions.announced(id);
  return id;
}

const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

test('a session is known to every replica by its own subject and scope, to nobody else, and to none after its end', async () => {
  verifies('authn.edge');
  const { one, two } = fleet();
  const session = await open(one);
  const at = (wish: Wish) => two.elsewhere(head({ session, ...wish }).call);
  assert.equal(await at({}), 'one');
  for (const wish of [
    { by: bob },
    { by: subject('alice', { tenant: 'other' }) },
    { server: 'files' },
    { session: 'x' },
  ])
    assert.equal(await at(wish), undefined, JSON.stringify(wish));
  assert.equal(one.elsewhere(head({ session }).call), undefined);
  await one.end(head({ session }).call);
  assert.equal(await at({}), undefined);
  assert.throws(() => two.attend(request('1', { session }).call), refused('unknown-session'));
});

test('a session whose replica is gone is taken up once, with what its client had said; who had it lets go', async () => {
  const { clock, one, two, three } = fleet();
  const session = await open(one, { revision: '2025-06-18' }, { sampling: {} });
  const call = () => request('1', { session, revision: '2025-06-18' }).call;
  await one.setLevel(
    framed({ id: '2', method: 'logging/setLevel', params: { level: 'error' } }, { session, revision: '2025-06-18' })
      .call,
  );
  await two.takeUp(request('1', { session, by: bob }).call, 'one');
  assert.equal(count(two), 0);
  await Promise.all([two.takeUp(call(), 'one'), three.takeUp(call(), 'one')]);
  assert.equal(count(two) + count(three), 1);
  const [now, other] = count(two) === 1 ? [two, three] : [three, two];
  const { caller } = now.attend(call());
  assert.deepEqual([caller.capabilities, caller.logLevel], [{ sampling: {} }, 'error']);
  assert.equal(await other.elsewhere(call()), now === two ? 'two' : 'three');
  // It was not dead, only away.
  one.announceAll();
  clock.pass(1000);
  await settled();
  assert.equal(count(one), 0);
  assert.equal(count(now), 1);
  assert.notEqual(await other.elsewhere(call()), undefined);
});

test('a session that has subscribed ends with its replica: whoever goes on with it is told, and would else hear nothing', async () => {
  const { one, two, three } = fleet();
  const [session, other] = [await open(one), await open(one)];
  await one.subscribes(one.attend(request('1', { session }).call).caller.session);
  for (const id of [session, other]) await two.takeUp(request('2', { session: id }).call, 'one');
  assert.throws(() => two.attend(request('3', { session }).call), refused('unknown-session'));
  assert.equal(await three.elsewhere(request('4', { session }).call), undefined);
  assert.equal(await three.elsewhere(request('4', { session: other }).call), 'two');
});

test('the stream for what belongs to no call goes on at another replica, by an event id of this session alone', async () => {
  const { one, two } = fleet();
  const [session, foreign] = [await open(one), await open(one)];
  const idOf = async (at: Sessions, of: string, last?: string): Promise<string> => {
    const { call, stream } = head({ session: of, httpMethod: 'GET', ...(last !== undefined && { lastEventId: last }) });
    void at.listen(call);
    at.each((each) => each.notify('{"news":1}'));
    stream.cut();
    return stream.lastId;
  };
  const [own, others] = [await idOf(one, session), await idOf(one, foreign)];
  for (const id of [session, foreign]) await two.takeUp(head({ session: id }).call, 'one');
  await assert.rejects(two.listen(head({ session, lastEventId: others }).call), refused('invalid-request'));
  const next = await idOf(two, session, own);
  assert.equal(next.split('.')[0], own.split('.')[0]);
  assert.ok(Number(next.split('.')[1]) > Number(own.split('.')[1]));
});

test('a session of a revoked token, or of HTTP+SSE, is not taken up; one that nobody used for its time is gone', async () => {
  const { clock, one, two } = fleet();
  const session = await open(one);
  two.revoke(({ tokenId }) => tokenId === alice.tokenId);
  const renewed = subject('alice', { tokenId: 'another' });
  await two.takeUp(head({ session, by: renewed }).call, 'one');
  assert.throws(() => two.attend(request('1', { session, by: renewed }).call), refused('unknown-session'));

  const sse = head({ transport: 'sse', server: 'files', httpMethod: 'GET' });
  void one.listenSse(sse.call);
  await settled();
  const [, query = ''] = /\?session=(.*)$/.exec(sse.stream.data[0] ?? '') ?? [];
  const post = head({ transport: 'sse', server: 'files', query: `session=${query}` }).call;
  assert.equal(await two.elsewhere(post), 'one');
  await two.takeUp(post, 'one');
  assert.deepEqual([count(two), await two.elsewhere(post)], [0, undefined]);

  const idle = await open(one);
  const used = await open(one);
  for (let passed = 0; passed < LIMITS.idle; passed += LIMITS.idle / 3) {
    clock.pass(LIMITS.idle / 3);
    one.attend(request(`${passed}`, { session: used }).call).answered('{}');
    await settled();
  }
  clock.pass(MINUTE);
  await settled();
  const places = [idle, used].map((id) => two.elsewhere(head({ session: id }).call));
  assert.deepEqual(await Promise.all(places), [undefined, 'one']);
});

test('while the store is away no session begins; when it is back, empty, it is told again of those that live', async () => {
  const { clock, records, away, one, two } = fleet();
  const session = await open(one);
  away.is = true;
  await assert.rejects(open(one), refused('unavailable'));
  assert.equal(count(one), 1);
  await assert.rejects(Promise.resolve(two.elsewhere(head({ session }).call)), refused('unavailable'));
  assert.doesNotThrow(() => one.attend(request('1', { session }).call));
  one.announceAll();
  clock.pass(1000);
  await settled();
  away.is = false;
  await records.remove('session', session);
  clock.pass(1000);
  await settled();
  assert.equal(await two.elsewhere(head({ session }).call), 'one');
});

test('a kept sandbox has one home, which another takes only from a dead one; a session that lost its own is told once', async () => {
  verifies('sandbox.isolation');
  const { records } = fleet();
  const [one, two] = [new KeptHomes(records, 'one'), new KeptHomes(records, 'two')];
  const both = await Promise.all([one, two].map((at) => at.homeOf('notes', alice.key, MINUTE)));
  assert.equal(new Set(both).size, 1);
  const [home = ''] = both;
  assert.equal(await one.homeOf('notes', bob.key, MINUTE), 'one');
  const other = home === 'one' ? two : one;
  assert.equal(await other.homeOf('notes', alice.key, MINUTE), home);
  assert.equal(await other.homeOf('notes', alice.key, MINUTE, 'somebody else'), home);
  assert.notEqual(await other.homeOf('notes', alice.key, MINUTE, home), home);

  await one.keepHere('notes', alice.key, 'session', MINUTE);
  await one.keepHere('notes', alice.key, 'session', MINUTE);
  await assert.rejects(two.keepHere('notes', alice.key, 'session', MINUTE), refused('isolation'));
  await two.keepHere('notes', alice.key, 'session', MINUTE);
});

test('a store that forgets everything while sessions are being written down is told of all of them at once', async () => {
  const { clock, records, one, two, hold } = fleet();
  const sessions = [await open(one), await open(one)];
  const homes = () => Promise.all(sessions.map((session) => two.elsewhere(head({ session }).call)));
  assert.deepEqual(await homes(), ['one', 'one']);
  // Both were used, and the first has been written down again.
  clock.pass(1000);
  for (const session of sessions) one.attend(request('1', { session }).call).answered('');
  const { promise, resolve } = Promise.withResolvers<void>();
  Object.assign(hold, { after: 1, until: promise });
  clock.pass(30_000);
  await settled();
  for (const session of sessions) await records.remove('session', session);
  one.announceAll();
  hold.after = Number.POSITIVE_INFINITY;
  resolve();
  await settled();
  clock.pass(1000);
  await settled();
  assert.deepEqual(await homes(), ['one', 'one']);
});

test('a session that ends while it is written down is nowhere, also when its replica is gone', async () => {
  const { clock, records, hold, one, two } = fleet();
  const session = await open(one);
  const { call } = request('1', { session });
  await records.remove('session', session);
  const { promise, resolve } = Promise.withResolvers<void>();
  hold.writing = promise;
  one.announceAll();
  clock.pass(1000);
  await settled();
  const ended = one.end(head({ session }).call);
  await settled();
  resolve();
  await ended;
  await settled();
  assert.equal(await two.elsewhere(call), undefined);
  await two.takeUp(call, 'one');
  assert.throws(() => two.attend(call), refused('unknown-session'));
});
