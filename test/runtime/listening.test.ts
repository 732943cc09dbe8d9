import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { UpstreamListening } from '../../src/contract/upstream.ts';
import type { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { plainDriver } from './plain-driver.ts';
import { aCall, runtimeWith, sandboxWith, stdioServer, textOf } from './support.ts';

const server = (manners: string, name = 'tool') => stdioServer(manners, { program: 'eras.mjs', name });
const URIS = ['test://first', 'test://last'];

/** Somebody who listens, and what they were told: `ready`, methods and URIs in order. */
function listener(more: Partial<UpstreamListening> = {}) {
  const controller = new AbortController();
  const told: string[] = [];
  const heard = Promise.withResolvers<void>();
  const listening: UpstreamListening = {
    uris: URIS,
    subject: 'alice',
    signal: controller.signal,
    ready: () => told.push('ready'),
    notify: (message) => {
      const { method, params } = JSON.parse(message);
      told.push([method.slice('notifications/resources/'.length), ...(params ? [params.uri] : [])].join(' '));
      if (told.length > URIS.length) heard.resolve();
    },
    ...more,
  };
  return { listening, told, heard: heard.promise, stop: () => controller.abort() };
}

test('an older server is subscribed to, heard, and gone when nobody listens any more', async (t) => {
  const driver = plainDriver();
  const { link, runtime } = await runtimeWith(t, [server('tells')], driver);
  const { listening, told, stop } = listener();
  const last = Promise.withResolvers<void>();
  const listened = link.listen('tool', {
    ...listening,
    notify: (message) => {
      listening.notify(message);
      if (message.includes('list_changed')) last.resolve();
    },
  });
  await last.promise;
  assert.deepEqual(told.toSorted(), ['list_changed', 'ready', 'updated test://first', 'updated test://last']);
  stop();
  await listened;
  await runtime.close();
  assert.equal(driver.alive(), 0);
});

test('a server of 2026-07-28 is listened to by one long request', async (t) => {
  const { upstream } = sandboxWith(t, server('listens-modern'));
  const { listening, told, heard, stop } = listener();
  const listened = upstream.listen(listening);
  await heard;
  stop();
  await listened;
  assert.deepEqual(told, ['ready', 'updated test://first', 'updated test://last']);
});

const failing: readonly [manners: string, detail: RegExp][] = [
  ['refuses-to-tell', /answered resources\/subscribe: .*-32601/],
  ['leaves', /exited \(code 5/],
  ['floods', /told more than 500 things/],
  ['agrees-to-less', /did not accept every subscription/],
  ['hangs-up', /ended the subscription/],
];

for (const [manners, detail] of failing)
  test(`listening fails, and says so, to a server that ${manners}`, async (t) => {
    const { upstream, pool, driver } = sandboxWith(t, server(manners));
    const { listening } = listener();
    await assert.rejects(upstream.listen(listening), (error: UpstreamFailure) => detail.test(error.detail));
    await pool.close();
    assert.equal(driver.alive(), 0);
  });

test('one more than 1000 subscriptions are refused', async (t) => {
  const { link } = await runtimeWith(t, [server('tells')]);
  const { listening } = listener({ uris: Array.from({ length: 1001 }, (_, n) => `test://${n}`) });
  await assert.rejects(link.listen('tool', listening), { code: 'overload' });
});

/** Listens and resolves with what stops it. */
async function hold(upstream: ReturnType<typeof sandboxWith>['upstream'], subject: string) {
  const ready = Promise.withResolvers<void>();
  const { listening, stop } = listener({ subject, ready: () => ready.resolve() });
  const listened = upstream.listen(listening);
  await Promise.race([ready.promise, listened]);
  return async () => {
    stop();
    await listened;
  };
}

test('whoever listens never takes the room in which calls run, and gives back what was held', async (t: TestContext) => {
  const { upstream } = sandboxWith(t, server('tells'), { live: 4 });
  const held = [await hold(upstream, 'alice'), await hold(upstream, 'bob')];
  await assert.rejects(hold(upstream, 'carol'), { code: 'overload' });
  assert.match(textOf(await upstream.call(aCall())), /greeting/);
  await held.pop()?.();
  held.push(await hold(upstream, 'carol'));
  for (const stop of held) await stop();
});

test('one subject holds four sandboxes at most, and one server half of what it may have', async (t) => {
  const { upstream, pool } = sandboxWith(t, server('tells'), { live: 20 });
  const held = [];
  for (let at = 0; at < 4; at++) held.push(await hold(upstream, 'alice'));
  await assert.rejects(hold(upstream, 'alice'), { code: 'overload' });
  pool.add(server('tells', 'other'), plainDriver(), Date.now);
  held.push(await hold(upstream, 'bob'));
  await assert.rejects(hold(upstream, 'bob'), { code: 'overload' });
  for (const stop of held) await stop();
});

test('a gateway that goes away takes its listening sandboxes along', async (t) => {
  const driver = plainDriver();
  const { link, runtime } = await runtimeWith(t, [server('tells')], driver);
  const { listening, heard } = listener();
  const listened = link.listen('tool', listening);
  const refused = assert.rejects(listened, { code: 'unavailable' });
  await heard;
  link.close();
  await refused;
  await runtime.close();
  assert.equal(driver.alive(), 0);
});
