import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal, type RefusalCode } from '../../src/contract/refusal.ts';
import { upstreamError } from '../../src/gateway/execution/refusals.ts';
import { verifies } from '../support/verifies.ts';
import { plainDriver } from './plain-driver.ts';
import { aCall, callTool, runtimeWith, stdioServer } from './support.ts';

const refused = (code: RefusalCode, detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Refusal, String(error));
  assert.equal(error.code, code, error.detail);
  assert.match(error.detail, detail);
  return true;
};

const hostile: readonly [manners: string, code: RefusalCode, detail: RegExp][] = [
  ['silent', 'isolation', /no answer within 700 ms/],
  ['garbage', 'upstream', /not JSON.*Segmentation fault, honest/],
  ['exits-half-way', 'upstream', /exited \(code 7.*in the middle of a frame/],
  ['closes-output', 'upstream', /closed its output without an answer/],
  ['wrong-id', 'upstream', /answered id \d+, not \d+/],
  ['string-id', 'upstream', /answered id "\d+", not \d+/],
  ['giant', 'size', /a frame of more than 100000 bytes/],
  ['stdout-flood', 'size', /a frame of more than 100000 bytes/],
  ['notification-flood', 'size', /too much output/],
  ['duplicate-key', 'upstream', /duplicate key "a"/],
  ['both', 'upstream', /both result and error/],
  ['batch', 'upstream', /a batch/],
  ['bad-error', 'upstream', /neither a result nor a proper error/],
  ['error', 'upstream', /-32050.*hunter2/],
  ['missing', 'unknown-resource', /-32002/],
  ['ancient', 'upstream', /unknown revision: "1999-01-01"/],
  ['crashes', 'upstream', /exited \(code 1.*stderr: cannot find module left-pad/],
];

for (const [manners, code, detail] of hostile)
  test(`refuses what a server sends that is ${manners}`, async (t) => {
    verifies('sandbox.isolation', 'output.errors', 'output.size');
    const { link } = await runtimeWith(t, [
      stdioServer(manners, { deadline: /no answer/.test(detail.source) ? 700 : 60_000 }),
    ]);
    await assert.rejects(callTool(link), refused(code, detail));
  });

test('an error −32602 is a missing resource for resources/read only', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('invalid-params')]);
  const { raw } = await link.call('tool', aCall({ method: 'resources/read' }));
  assert.ok(refused('unknown-resource', /-32602/)(upstreamError('resources/read', raw, false)));
  await assert.rejects(callTool(link), refused('upstream', /-32602/));
});

test('stderr without end neither blocks the call nor fills the memory', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('stderr-flood')]);
  assert.equal(await callTool(link), 'still here');
});

test('takes the first of two answers, and nobody ever sees the second', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('answers-twice')]);
  assert.deepEqual(await Promise.all([callTool(link), callTool(link)]), ['first', 'first']);
});

test('a slow handshake delays a call and does not fail it', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('slow-handshake', { deadline: 1000 })]);
  assert.equal(await callTool(link, { echo: 'patience' }), 'patience');
});

test('sends the params as they came, newlines between tokens made spaces', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('raw')]);
  const params = '{\n"name" :"echo",\r\n\t"arguments":{"n":1.50e2, "s":"a\\nb\u2028"}}';
  const line = await callTool(link, { params });
  assert.ok(line.endsWith(`,"method":"tools/call","params":${params.replace(/[\n\r]/g, ' ')}}`), line);
});

test('refuses a method that is not in the table, and a server that is not in the bundle', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('good')]);
  const method = link.call('tool', aCall({ method: 'tools/list' }));
  await assert.rejects(method, refused('upstream', /no such method/));
  await assert.rejects(callTool(link, { server: 'constructor' }), refused('isolation', /no such server/));
});

test('describes a server by its own bytes, over all pages', async (t) => {
  const driver = plainDriver();
  const { link } = await runtimeWith(t, [stdioServer('good')], driver);
  const live = JSON.parse(Buffer.from(await link.describe('tool', new AbortController().signal)).toString());
  const tools = [0, 1, 2, 3, 4].map((at) => `{"name" : "tool${at}","x":1.0, "inputSchema":{"type":"object"}}`);
  assert.deepEqual(live.tools, tools);
  assert.deepEqual(live.prompts, ['{"name":"hello"}']);
  assert.deepEqual(live.resourceTemplates, []);
  assert.equal(JSON.parse(live.handshake).serverInfo.name, 'good');
});

test('refuses a list of descriptors that never ends', async (t) => {
  const { link } = await runtimeWith(t, [stdioServer('endless-list')]);
  await assert.rejects(link.describe('tool', new AbortController().signal), refused('size', /more than 100 pages/));
});
