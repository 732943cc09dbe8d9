import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { type PoolLimits, SandboxPool } from '../../src/runtime/sandboxing/pool.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { plainDriver } from './plain-driver.ts';
import { callTool, runtimeWith, stdioServer } from './support.ts';

test('no call sees what another one left in the server: each has a fresh one', async (t) => {
  verifies('sandbox.isolation');
  const driver = plainDriver();
  const { link } = await runtimeWith(t, [stdioServer('remembers')], driver);
  for (const echo of ['one', 'two', 'three']) assert.equal(await callTool(link, { echo }), 'nothing');
  const together = await Promise.all([1, 2, 3, 4].map((n) => callTool(link, { echo: String(n) })));
  assert.deepEqual(together, ['nothing', 'nothing', 'nothing', 'nothing']);
});

test('200 calls in flight: none lost, none answered with the result of another', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('good'), stdioServer('good', { name: 'other' })]);
  const calls = Array.from({ length: 200 }, (_, n) =>
    callTool(link, { server: n % 10 === 0 ? 'other' : 'tool', subject: `s${n % 7}`, echo: `value ${n}` }),
  );
  const answers = await Promise.all(calls);
  assert.deepEqual(
    answers,
    Array.from({ length: 200 }, (_, n) => `value ${n}`),
  );
});

test('an aborted call is refused at once and its sandbox is killed', async (t) => {
  const driver = plainDriver();
  const { link, runtime } = await runtimeWith(t, [stdioServer('silent')], driver);
  const controller = new AbortController();
  const call = callTool(link, { signal: controller.signal });
  setTimeout(() => controller.abort(), 300);
  await assert.rejects(call, (error) => error instanceof Refusal && error.code === 'unavailable');
  await runtime.close();
  assert.equal(driver.alive(), 0);
});

test('when the runtime goes away every pending call is refused as unavailable', async (t) => {
  const { link, runtime } = await runtimeWith(t, [stdioServer('silent')]);
  const calls = Promise.allSettled([callTool(link), callTool(link)]);
  setTimeout(() => void runtime.close(), 200);
  for (const outcome of await calls)
    assert.ok(outcome.status === 'rejected' && outcome.reason.code === 'unavailable', JSON.stringify(outcome));
  await assert.rejects(callTool(link), (error) => error instanceof Refusal && error.code === 'unavailable');
});

test('a server that cannot start is not started over and over', async (t) => {
  const driver = plainDriver();
  const { link } = await runtimeWith(t, [stdioServer('crashes')], driver);
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => callTool(link)));
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected' && /left-pad/.test(outcome.reason.detail)));
  assert.ok(driver.started() < 10, `${driver.started()} starts`);
});

test('a sandbox that dies idle is replaced, and one that always does is not replaced without pause', async (t) => {
  const driver = plainDriver();
  const { link } = await runtimeWith(t, [stdioServer('dies-idle')], driver);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.ok(driver.started() <= 12, `${driver.started()} starts`);
  await until(() => driver.started() >= 2);
  await Promise.allSettled([callTool(link)]);
});

test('one failed start is tried again before a call is given up', async (t) => {
  const { directory } = await runtimeWith(t, []);
  const file = join(directory, 'starts');
  const { link } = await runtimeWith(t, [stdioServer('crashes-once', { file })]);
  assert.equal(await callTool(link, { echo: 'second try' }), 'second try');
  assert.match(await readFile(file, 'utf8'), /started\nstarted\n/);
});

test('a server that never answers does not hold up another one', async (t) => {
  const { link } = await runtimeWith(t, [
    stdioServer('silent', { name: 'stuck', deadline: 5000 }),
    stdioServer('good'),
  ]);
  const controller = new AbortController();
  const stuck = Array.from({ length: 40 }, () => callTool(link, { server: 'stuck', signal: controller.signal }));
  const settled = Promise.allSettled(stuck);
  assert.equal(await callTool(link, { echo: 'through' }), 'through');
  controller.abort();
  await settled;
});

const signal = new AbortController().signal;
const used = new UpstreamFailure('isolation', 'used once');

function smallPool(t: TestContext, limits: Partial<PoolLimits>) {
  const roomy = { starts: 2, live: 32, memory: 2 ** 40, idle: 16, queue: 2000, handshake: 60_000 };
  const pool = new SandboxPool({ ...roomy, ...limits }, () => {});
  t.after(() => pool.close());
  return pool;
}

test('calls that wait get their sandboxes in the order of their arrival', async (t) => {
  const pool = smallPool(t, { live: 2 });
  pool.add(stdioServer('good'), plainDriver(), Date.now);
  const order: number[] = [];
  const calls = Array.from({ length: 8 }, async (_, n) => {
    const { session } = await pool.acquire('tool', signal);
    order.push(n);
    session.fail(used);
  });
  await Promise.all(calls);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
});

test('never more sandboxes than allowed, and a queue that is full refuses as overload', async (t) => {
  const pool = smallPool(t, { live: 3, queue: 4 });
  const driver = plainDriver();
  pool.add(stdioServer('good'), driver, Date.now);
  const calls = Array.from({ length: 10 }, async () => {
    const { session } = await pool.acquire('tool', signal);
    assert.ok(driver.alive() <= 3);
    session.fail(used);
  });
  const outcomes = await Promise.allSettled(calls);
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.equal(refused.length, 6);
  for (const { reason } of refused) assert.equal(reason.code, 'overload');
});

test('an idle sandbox of one server makes room for a call to another', async (t) => {
  const pool = smallPool(t, { live: 2 });
  const driver = plainDriver();
  pool.add(stdioServer('good', { name: 'first' }), driver, Date.now);
  const held = await pool.acquire('first', signal);
  pool.add(stdioServer('good', { name: 'second' }), driver, Date.now);
  const { session } = await pool.acquire('second', signal);
  assert.equal(session.failure, undefined);
  held.session.fail(used);
  session.fail(used);
});

test('a driver that never comes back fails the call within its bound', async (t) => {
  const pool = smallPool(t, { handshake: 100 });
  const driver = plainDriver();
  const never = Promise.withResolvers<never>();
  pool.add(stdioServer('good'), { ...driver, start: () => never.promise }, Date.now);
  const failure = { code: 'isolation', detail: 'no handshake within 100 ms' };
  await assert.rejects(pool.acquire('tool', signal), failure);
  never.reject(new Error('at last'));
});

test('a sandbox that the driver refuses is an isolation refusal that says why', async (t) => {
  const pool = smallPool(t, {});
  const start = () => Promise.reject(new Error('seccomp cannot be enforced'));
  pool.add(stdioServer('good'), { ...plainDriver(), start }, Date.now);
  await assert.rejects(pool.acquire('tool', signal), { code: 'isolation', detail: /seccomp cannot be enforced/ });
});

test('closing kills every sandbox, those that are just starting too', async () => {
  const driver = plainDriver();
  const pool = new SandboxPool({ starts: 2, live: 8, memory: 2 ** 40, idle: 8, queue: 9, handshake: 60_000 }, () => {});
  pool.add(stdioServer('good'), driver, Date.now);
  const { session } = await pool.acquire('tool', signal);
  await pool.close();
  assert.equal(driver.alive(), 0);
  assert.equal(session.failure?.detail, 'the runtime is stopping');
});
