import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import type { Answer } from '../../src/contract/answer.ts';
import type { Mail } from '../../src/contract/mail.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import type { Arrived } from '../../src/contract/tool-call.ts';
import { openRedisStore } from '../../src/drivers/state-store/redis.ts';
import { Carriage } from '../../src/gateway/replicas/carriage.ts';
import { arrived } from '../../src/gateway/transport/arrived.ts';
import { alice, head, TestClock } from '../sessions/support.ts';
import { noRedis, redisServer } from '../state/support.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64url');
const SEALS = [
  { id: 'new', key: key(1) },
  { id: 'old', key: key(2) },
];
const SECRET = 'what nobody else may read';

async function replica(t: TestContext, url: string, seals = SEALS) {
  const store = await openRedisStore(url, { names: key(3), seals: () => seals, patience: 30_000 });
  t.after(() => store.close());
  if (store.mail === undefined) throw new Error('no mail');
  return { mail: store.mail, close: () => store.close() };
}

/** What a replica hears, and waits for. */
function hear(mail: Mail) {
  const heard: string[] = [];
  let wake = (): void => undefined;
  const note = (what: string): void => {
    heard.push(what);
    wake();
  };
  mail.receive({
    message: (_from, text) => note(text),
    gap: (from) => note(`gap ${from === undefined ? 'all' : 'one'}`),
  });
  const came = async (count: number): Promise<readonly string[]> => {
    while (heard.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return heard;
  };
  return { heard, came };
}

test('mail: the store reads nothing; what is changed, shown again, or to somebody else is dropped, what is missing told', {
  skip: noRedis,
  timeout: 180_000,
}, async (t) => {
  verifies('limits.fleet');
  const { url } = await redisServer(t);
  const [one, two, three] = [await replica(t, url), await replica(t, url), await replica(t, url)];
  const [atTwo, atThree] = [hear(two.mail), hear(three.mail)];
  const thief = new Redis(url);
  const publisher = new Redis(url);
  const listener = new Redis(url);
  t.after(() => [thief, publisher, listener].map((redis) => redis.disconnect()));
  await thief.psubscribe('innerkeep:mail:*');
  const next = async (): Promise<readonly [string, string]> =>
    (await once(thief, 'pmessage')).slice(1) as [string, string];
  const stolen = next();
  assert.equal(await one.mail.send(two.mail.me, SECRET), true);
  const [channel, text] = await stolen;
  assert.deepEqual(await atTwo.came(1), [SECRET]);
  assert.ok(!text.includes(SECRET) && !Buffer.from(text.split('.')[3] ?? '', 'base64url').includes(SECRET));

  const toThree = channel.replace(two.mail.me, three.mail.me);
  const [from, number, id, body = ''] = text.split('.');
  for (const [to, forged] of [
    [channel, text],
    [toThree, text],
    [channel, `${from}.2.${id}.${body}`],
    [channel, `${from}.${number}.${id}.${body.slice(0, -2)}AA`],
    [channel, `${three.mail.me}.${number}.${id}.${body}`],
    [channel, 'nothing'],
  ] as const)
    assert.ok((await publisher.publish(to, forged)) > 0);
  const stranger = await replica(t, url, [
    { id: 'new', key: key(8) },
    { id: 'old', key: key(9) },
  ]);
  await stranger.mail.send(two.mail.me, 'with another key');
  await one.mail.send(two.mail.me, 'second');
  assert.deepEqual(await atTwo.came(2), [SECRET, 'second']);
  assert.deepEqual(atThree.heard, []);

  assert.deepEqual([...(await one.mail.others())].sort(), [two.mail.me, three.mail.me, stranger.mail.me].sort());
  // Whoever has not the fleet's key to names is no replica, though he is there.
  const [prefix, mine] = [channel.slice(0, -two.mail.me.length), two.mail.me];
  await listener.subscribe(
    `${prefix}nobody-of-that-n`,
    `${prefix}${mine.slice(0, -1)}${mine.endsWith('A') ? 'B' : 'A'}`,
  );
  assert.equal((await one.mail.others()).length, 3);
  // Whoever listens to all would count as being there.
  await thief.punsubscribe();
  await three.close();
  await until(async () => !(await one.mail.send(three.mail.me, 'nobody')));
});

const ANSWER: Answer = { status: 200, headers: { 'x-own': 'yes' }, body: '{"jsonrpc":"2.0"}' };

async function carriage(t: TestContext, url: string, handle: (call: Arrived) => Promise<Answer>) {
  const { mail, close } = await replica(t, url);
  const clock = new TestClock();
  const carried = new Carriage({ mail, clock, arrive: arrived, handle }, () => undefined);
  return { me: mail.me, clock, carried, close };
}

test('a request is answered by another replica, with its events, as of the subject that was found here', {
  skip: noRedis,
  timeout: 180_000,
}, async (t) => {
  const { url } = await redisServer(t);
  const nobody = () => Promise.reject(new Error('nobody asks here'));
  const [here, there] = [
    await carriage(t, url, nobody),
    await carriage(t, url, async (call) => {
      const { subject, until } = call.vouched ?? {};
      assert.deepEqual([subject?.key, subject?.tenant, until], [alice.key, alice.tenant, 5000]);
      assert.equal(call.headers['mcp-session-id'], 'session');
      call.events.send({ id: '1', data: 'said' });
      call.events.end();
      return ANSWER;
    }),
  ];
  const { call, stream } = head({ session: 'session', until: 5000 });
  assert.deepEqual(await here.carried.carry(there.me, call), ANSWER);
  assert.deepEqual([stream.sent, stream.state], [[{ id: '1', data: 'said' }], 'closed']);
  assert.equal(await here.carried.carry('nobody-of-that-n', call), undefined);
});

test('a client that goes away is gone at the other replica too; a replica that goes away loses what it had', {
  skip: noRedis,
  timeout: 180_000,
}, async (t) => {
  const { url } = await redisServer(t);
  const came = Promise.withResolvers<Arrived>();
  const [here, there] = [
    await carriage(t, url, async () => ANSWER),
    await carriage(t, url, (call) => {
      came.resolve(call);
      return new Promise(() => undefined);
    }),
  ];
  const { call, stream } = head({ until: 5000 });
  const lost = here.carried.carry(there.me, call);
  const { signal, events } = await came.promise;
  const gone = once(signal, 'abort');
  stream.open();
  stream.cut();
  await gone;
  assert.equal(events.state, 'closed');
  await there.close();
  let why: unknown;
  lost.catch((error: unknown) => {
    why = error;
  });
  // The store may see that a little later.
  await until(() => {
    here.clock.pass(1000);
    return why !== undefined;
  });
  assert.ok(why instanceof Refusal && why.code === 'unavailable', String(why));
});

test('a replica that says what is no message loses what is between the two, and ends nobody', {
  skip: noRedis,
  timeout: 180_000,
}, async (t) => {
  const { url } = await redisServer(t);
  const there = await replica(t, url);
  const { heard, came } = hear(there.mail);
  const here = await carriage(t, url, async () => ANSWER);
  for (const nonsense of ['null', '{', '{"kind":"request","leg":1}', '{"kind":"answer"}']) {
    const lost = here.carried.carry(there.mail.me, head({ until: 5000 }).call);
    lost.catch(() => undefined);
    await came(heard.length + 1);
    await there.mail.send(here.me, nonsense);
    if (nonsense.includes('answer')) await there.mail.send(here.me, 'null');
    await assert.rejects(lost, (error) => error instanceof Refusal && error.code === 'unavailable', nonsense);
  }
});

test('a name that somebody has made up is not remembered, and those of replicas are', {
  skip: noRedis,
  timeout: 180_000,
}, async (t) => {
  const { url } = await redisServer(t);
  const [one, two] = [await replica(t, url), await replica(t, url)];
  const asking = new Redis(url);
  const watcher = await asking.monitor();
  t.after(() => [asking, watcher].map((redis) => redis.disconnect()));
  const numbers: string[] = [];
  watcher.on('monitor', (_time: string, [command, , text = '']: readonly string[]) => {
    if (command === 'publish') numbers.push(text.split('.')[1] ?? '');
  });
  const { came } = hear(two.mail);
  for (let round = 0; round < 2; round++) {
    const asked = ['nobody-of-that-n', 'nobody-of-that-n', two.mail.me].map((to) => one.mail.send(to, 'anybody?'));
    assert.deepEqual(await Promise.all(asked), [false, false, true]);
  }
  await came(2);
  await until(() => numbers.length === 6);
  assert.deepEqual(numbers, ['1', '2', '1', '1', '2', '2']);
});
