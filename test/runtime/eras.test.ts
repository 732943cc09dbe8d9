import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RpcAnswer } from '../../src/contract/upstream.ts';
import { type Upstream, type UpstreamCall, UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { plainDriver } from './plain-driver.ts';
import { aCall, sandboxWith, stdioServer, textOf } from './support.ts';

const server = (manners: string, file?: string) =>
  stdioServer(manners, { program: 'eras.mjs', ...(file !== undefined && { file }) });

/** What the server saw of one call. */
async function seen(upstream: Upstream, more: Partial<UpstreamCall> = {}) {
  return JSON.parse(textOf(await upstream.call(aCall(more))));
}

async function notes(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'innerkeep-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'notes');
  const count = async (what: string) =>
    (await readFile(file, 'utf8')).split('\n').filter((line) => line === what).length;
  return { file, count };
}

test('a server of both eras is spoken to in the newer one', async (t) => {
  const { upstream } = sandboxWith(t, server('dual'));
  assert.equal((await seen(upstream)).enveloped, true);
});

test('a server that knows nothing older is spoken to as it wants', async (t) => {
  const { upstream } = sandboxWith(t, server('modern'));
  assert.equal((await seen(upstream)).enveloped, true);
});

test('each request of 2026-07-28 says what this call’s client can do, and wants to hear', async (t) => {
  const { upstream } = sandboxWith(t, server('modern'));
  const { meta } = await seen(upstream, { capabilities: '{"elicitation":{ "x":1.0}}', logLevel: 'warning' });
  assert.deepEqual(meta['io.modelcontextprotocol/clientCapabilities'], { elicitation: { x: 1 } });
  assert.equal(meta['io.modelcontextprotocol/logLevel'], 'warning');
  const plain = await seen(upstream);
  assert.equal('io.modelcontextprotocol/logLevel' in plain.meta, false);
});

test('a server of 2026-07-28 may not ask in mid-call, and nobody is asked', async (t) => {
  const { upstream } = sandboxWith(t, server('modern-asks'));
  let asked = 0;
  const ask = async (): Promise<RpcAnswer> => {
    asked++;
    return { kind: 'result', raw: '{}' };
  };
  assert.equal((await seen(upstream, { ask })).code, -32601);
  assert.equal(asked, 0);
});

test('an older server is told of all that a client may be able to do, and at which level to log', async (t) => {
  const { upstream } = sandboxWith(t, server('logs'));
  const { greeting, levels } = await seen(upstream, { logLevel: 'error' });
  assert.deepEqual(greeting.capabilities, {
    elicitation: { form: {}, url: {} },
    sampling: { context: {}, tools: {} },
    roots: {},
  });
  assert.deepEqual(levels, ['error']);
  assert.deepEqual((await seen(upstream)).levels, []);
});

test('a server that cannot log is not told at which level to', async (t) => {
  const { upstream } = sandboxWith(t, server('silent-about-logs'));
  assert.deepEqual((await seen(upstream, { logLevel: 'error' })).levels, []);
});

test('an older server that dies of server/discover gets a fresh sandbox, and is not asked again', async (t) => {
  const { file, count } = await notes(t);
  const { upstream } = sandboxWith(t, server('dies-of-it', file), { starts: 1 });
  for (let turn = 0; turn < 3; turn++) assert.equal((await seen(upstream)).enveloped, false);
  assert.equal(await count('discover'), 1);
  assert.ok((await count('initialize')) >= 3);
});

test('an older server that answers nothing but initialize is served all the same', async (t) => {
  const { file, count } = await notes(t);
  const { upstream } = sandboxWith(t, server('mute', file));
  assert.equal((await seen(upstream)).enveloped, false);
  const asked = await count('discover');
  assert.equal((await seen(upstream)).enveloped, false);
  assert.equal(await count('discover'), asked);
});

test('a server of both eras that is slow to start is not taken for an older one', async (t) => {
  const { upstream } = sandboxWith(t, server('slow-dual'));
  assert.equal((await seen(upstream)).enveloped, true);
});

test('the era is asked for again after an hour', async (t) => {
  const { file, count } = await notes(t);
  const { pool } = sandboxWith(t, server('dual'));
  let now = 0;
  const renamed = { ...server('older', file), name: 'older' };
  pool.add(renamed, plainDriver(), () => now);
  const { signal } = new AbortController();
  const used = new UpstreamFailure('isolation', 'used once');
  const use = async () => (await pool.acquire('older', signal)).session.fail(used);
  for (let turn = 0; turn < 4; turn++) await use();
  const before = await count('discover');
  now = 60 * 60 * 1000 + 1;
  for (let turn = 0; turn < 8; turn++) await use();
  assert.ok((await count('discover')) > before);
});
