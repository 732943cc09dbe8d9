import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RpcAnswer, ServerRequest } from '../../src/contract/upstream.ts';
import { aCall, sandboxWith, stdioServer, textOf } from './support.ts';

const server = (manners: string) => stdioServer(manners, { program: 'official.mjs' });

test("the SDK's older server asks three things at once, reports progress, and logs at the client's level", async (t) => {
  const { upstream } = sandboxWith(t, server('legacy'));
  const answers: Readonly<Record<string, object>> = {
    'elicitation/create': { action: 'accept', content: { name: 'Ada' } },
    'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } },
    'roots/list': { roots: [{ uri: 'file:///work' }] },
  };
  const ask = async ({ method }: ServerRequest): Promise<RpcAnswer> => ({
    kind: 'result',
    raw: JSON.stringify(answers[method]),
  });
  const told: { method: string; params: { progressToken?: string; data?: string } }[] = [];
  const params = Buffer.from('{"name":"ask","arguments":{},"_meta":{"progressToken":"t"}}');
  const notify = (message: string) => void told.push(JSON.parse(message));
  const text = textOf(await upstream.call(aCall({ params, ask, notify, logLevel: 'warning' })));
  assert.deepEqual(JSON.parse(text), Object.values(answers));
  assert.deepEqual(
    told.map(({ method, params }) => [method, params.progressToken ?? params.data]),
    [
      ['notifications/progress', 't'],
      ['notifications/message', 'loud'],
    ],
  );
});

test("the SDK's server of both eras is spoken to in the newer one, and described in it", async (t) => {
  const { upstream } = sandboxWith(t, server('dual'));
  const params = Buffer.from('{"name":"era","arguments":{}}');
  assert.equal(textOf(await upstream.call(aCall({ params }))), '"modern"');
  const live = await upstream.describe(new AbortController().signal);
  assert.deepEqual(JSON.parse(live.handshake).supportedVersions, ['2026-07-28']);
  assert.equal(JSON.parse(live.tools[0] ?? '').name, 'era');
});
