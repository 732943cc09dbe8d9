import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
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
  assert.ok(driver.started() >= 2 && driver.started() <= 12, `${driver.started()} starts`);
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
