import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import type { RpcAnswer, ServerRequest } from '../../src/contract/upstream.ts';
import { verifies } from '../support/verifies.ts';
import {
  ALL,
  accepted,
  type Client,
  elicit,
  FORM,
  refused,
  request,
  result,
  sample,
  stageWith,
  text,
} from './support.ts';

/** What the server hears when it asks this of a client in its session, and what the client was asked. */
async function asked(
  question: ServerRequest,
  { answer = result(accepted('Ann')), denied, ...client }: Client & { answer?: RpcAnswer; denied?: string[] } = {},
) {
  const heard: RpcAnswer[] = [];
  const reached: ServerRequest[] = [];
  const { execute, records } = stageWith({
    ...(denied && { denied }),
    server: async (call) => {
      heard.push(await call.ask(question));
      return text('done');
    },
  });
  const { call, caller } = request({
    ask: async (one) => {
      reached.push(one);
      return answer;
    },
    ...client,
  });
  await execute(call, caller);
  const [told] = heard;
  assert.ok(told);
  return { told, reached, records, code: told.kind === 'error' ? JSON.parse(told.raw).code : undefined };
}

test('a question of an older server reaches the client in its session, and its answer the server, byte for byte', async () => {
  const params = '{ "message":"caf\\u00e9", "requestedSchema":{"type":"object","properties":{}} , "x-new":1.0}';
  const raw = '{ "action":"accept","content":{} ,"x":1e2}';
  const { told, reached, records } = await asked(
    { method: 'elicitation/create', params },
    { answer: { kind: 'result', raw } },
  );
  assert.deepEqual(reached, [{ method: 'elicitation/create', params }]);
  assert.deepEqual(told, { kind: 'result', raw });
  assert.deepEqual(records, [
    {
      method: 'elicitation/create',
      action: 'srv#elicitation/create',
      code: 'ok',
      bytes: params.length,
      policies: ['p:1'],
    },
  ]);
});

test('refuses a question that no policy permits, and keeps it on record', async () => {
  verifies('authz.default-deny');
  const { code, reached, records } = await asked(elicit(), { denied: ['elicitation/create'] });
  assert.deepEqual([code, reached.length, records[0]?.code], [1403, 0, 'policy']);
  assert.equal((await asked(sample, { denied: ['elicitation/create'], answer: SAMPLED })).code, undefined);
});

const SAMPLED = result({ role: 'assistant', content: { type: 'text', text: 'yes' }, model: 'm' });

test('refuses what the client never said that it can do', async () => {
  const url = { mode: 'url', message: '', url: 'https://example.com/', elicitationId: 'e' };
  const cases: [ServerRequest, object, number][] = [
    [elicit(), {}, -32601],
    [elicit(), { sampling: {} }, -32601],
    [elicit(), { elicitation: { url: {} } }, -32602],
    [elicit(url), { elicitation: {} }, -32602],
    [sample, { elicitation: {} }, -32601],
    [{ ...sample, params: '{"messages":[],"maxTokens":1,"tools":[]}' }, { sampling: {} }, -32602],
    [{ ...sample, params: '{"messages":[],"maxTokens":1,"includeContext":"allServers"}' }, { sampling: {} }, -32602],
    [{ method: 'roots/list', params: '{}' }, { roots: true }, -32601],
  ];
  for (const [question, capabilities, expected] of cases) {
    const { code, reached, records } = await asked(question, { capabilities: capabilities as never });
    assert.deepEqual([code, reached.length, records[0]?.code], [expected, 0, 'missing-capability'], question.params);
  }
  const { call, caller } = request({ capabilities: ALL });
  const { execute, records } = stageWith({
    server: async (upstream) => result({ told: await upstream.ask(elicit()) }),
  });
  const answer = await execute(call, caller);
  assert.match(answer.result, /-32601/, 'a client without a session cannot be asked at all');
  assert.equal(records[0]?.code, 'missing-capability');
});

test('refuses every other request, and what is malformed, too large, too deep or led elsewhere', async () => {
  const deep = `${'{"a":'.repeat(21)}1${'}'.repeat(21)}`;
  const url = (to: string) => elicit({ mode: 'url', message: '', elicitationId: 'e', url: to });
  const cases: [ServerRequest, number][] = [
    [{ method: 'ping', params: '{}' }, -32601],
    [{ method: 'tasks/list', params: '{}' }, -32601],
    [{ method: 'constructor', params: '{}' }, -32601],
    [{ method: 'roots/list', params: '[]' }, -32602],
    [{ method: 'roots/list', params: '{"a":1,"\\u0061":2}' }, -32602],
    [{ method: 'roots/list', params: `{"deep":${deep}}` }, -32602],
    [{ method: 'roots/list', params: `{"long":"${'x'.repeat(300_000)}"}` }, -32602],
    [elicit({ ...FORM, task: { ttl: 1 } }), -32602],
    [elicit({ ...FORM, mode: 'voice' }), -32602],
    [elicit({ message: 'x' }), -32602],
    [elicit({ ...FORM, requestedSchema: { type: 'object', properties: { a: { type: 'object' } } } }), -32602],
    [url('javascript:alert(1)'), -32602],
    [url('http://example.com/'), -32602],
    [url('https://user:pass@example.com/'), -32602],
    [url('file:///etc/passwd'), -32602],
    [url('https:example.com/'), -32602],
    [url('https://\u0430pple.com/'), -32602],
    [elicit({ ...FORM, Mode: 'url', URL: 'http://example.com/' }), -32602],
    [{ method: 'sampling/createMessage', params: '{"messages":[],"maxTokens":1,"Tool\u017f":[]}' }, -32602],
  ];
  for (const [question, expected] of cases) {
    const { code, reached } = await asked(question);
    assert.deepEqual([code, reached.length], [expected, 0], `${question.method} ${question.params.slice(0, 80)}`);
  }
  assert.equal((await asked(url('http://127.0.0.1:9/x'), { answer: result({ action: 'accept' }) })).code, undefined);
});

test('no secret reaches the client in a question', async () => {
  verifies('output.secrets');
  const secret = `ghp_${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`;
  const { reached, records } = await asked(elicit({ ...FORM, message: `use ${secret}` }));
  assert.ok(!reached[0]?.params.includes(secret));
  assert.deepEqual(records[0]?.redacted, { 'github-token': 1 });
});

test('the server hears of no answer that is not one to its question', async () => {
  const wrong = [
    result({ action: 'accept', content: {} }),
    result({ action: 'accept', content: { name: '' } }),
    result({ action: 'accept', content: { name: 1 } }),
    result({ action: 'accept', content: { name: 'a', more: 'b' } }),
    result({ action: 'accept' }),
    result({ action: 'agree', content: { name: 'a' } }),
    result({ action: 'decline', content: { name: 'a' } }),
    result({ action: 'decline', Action: 'accept', content: {} }),
    result([]),
    result(null),
    result(JSON.parse(`{"action":"cancel","_meta":${'{"a":'.repeat(25)}1${'}'.repeat(25)}}`)),
    { kind: 'error', raw: '{"code":"x"}' },
  ] as const;
  for (const answer of wrong) {
    const { code, records } = await asked(elicit(), { answer });
    assert.deepEqual([code, records.at(-1)?.code], [-32603, 'params'], answer.raw);
  }
  for (const value of [{ action: 'decline' }, { action: 'cancel', content: null }, accepted('é')])
    assert.deepEqual((await asked(elicit(), { answer: result(value) })).told, result(value));
  const rejected = { kind: 'error', raw: '{"code":-1,"message":"User rejected"}' } as const;
  assert.deepEqual((await asked(sample, { answer: rejected })).told, rejected);
  assert.equal((await asked(sample, { answer: result({ role: 'assistant' }) })).code, -32603);
  const roots = { method: 'roots/list', params: '{}' };
  assert.equal((await asked(roots, { answer: result({ roots: [{ uri: 'https://x/' }] }) })).code, -32603);
  assert.equal((await asked(roots, { answer: result({ roots: [{ uri: 'file:///x' }] }) })).code, undefined);
});

test('a server that asks without end is told so, and floods no record', async () => {
  const { call, caller } = request({ ask: async () => result(accepted('a')) });
  const { execute, records } = stageWith({
    server: async (upstream) => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => upstream.ask(elicit())));
      return result(answers.filter(({ kind }) => kind === 'result').length);
    },
  });
  assert.equal((await execute(call, caller)).result, '20');
  assert.equal(records.length, 20);
});

test('nobody is asked what cannot be recorded, and the call ends', async () => {
  const reached: unknown[] = [];
  const { call, caller } = request({ ask: async (one) => result(reached.push(one)) });
  const { execute } = stageWith({
    server: async (upstream) => result(await upstream.ask(elicit())),
    record: () => Promise.reject(new Refusal('audit', 'disk full')),
  });
  await assert.rejects(execute(call, caller), refused('audit'));
  assert.deepEqual(reached, []);
});
