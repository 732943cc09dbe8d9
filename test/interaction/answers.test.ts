import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refused, request, stageWith, text } from './support.ts';

test('refuses an answer that is not JSON, or that two readers could read differently', async () => {
  for (const kind of ['result', 'error'] as const) {
    for (const raw of ['oops', '', '{"a":1,"\\u0061":2}', '"\\ud800"', `${'['.repeat(65)}${']'.repeat(65)}`]) {
      const { call, caller } = request();
      const { execute } = stageWith({ server: async () => ({ kind, raw }) });
      await assert.rejects(execute(call, caller), refused('upstream', /answer refused/), raw.slice(0, 20));
    }
  }
});

test('a server gets what was authorised byte for byte, and hears only of what it may ask', async () => {
  const paramsRaw = '{ "name":"tool", "arguments":{ "a":1.0,"b":"\\u0041" } }';
  const heard: object[] = [];
  const { execute } = stageWith({
    server: async ({ params, subject, capabilities, logLevel, method }) => {
      heard.push({ params: Buffer.from(params).toString(), subject, capabilities, logLevel, method });
      return text('done');
    },
  });
  const { call, caller } = request({
    paramsRaw,
    logLevel: 'notice',
    capabilities: {
      sampling: { tools: {} },
      roots: { listChanged: true },
      elicitation: 'yes',
      experimental: { x: {} },
      tasks: {},
    },
  });
  const { result, continuation } = await execute(call, caller);
  assert.deepEqual([result, continuation], ['{"content":[{"type":"text","text":"done"}]}', undefined]);
  assert.deepEqual(heard, [
    {
      params: paramsRaw,
      subject: '["acme","alice"]',
      capabilities: '{"sampling":{"tools":{}},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}',
      logLevel: 'notice',
      method: 'tools/call',
    },
  ]);
});

test('a caller that has gone is no fault of the server’s', async () => {
  const { call, caller } = request({ signal: AbortSignal.abort() });
  const { execute } = stageWith({ server: async () => assert.fail('asked for nobody') });
  await assert.rejects(execute(call, caller), refused('unavailable'));
});

test('a resource that is not there is named as the client named it, in the gateway’s words', async () => {
  const error = { kind: 'error', raw: '{"code":-32002,"message":"no /srv/secret/x"}' } as const;
  const { call, caller } = request({ method: 'resources/read', paramsRaw: '{"uri":"srv+file:///x"}' });
  await assert.rejects(stageWith({ server: async () => error }).execute(call, caller), (thrown) => {
    assert.ok(refused('unknown-resource')(thrown));
    assert.deepEqual((thrown as { data?: unknown }).data, { uri: 'srv+file:///x' });
    return true;
  });
});
