import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerRequest } from '../../src/contract/upstream.ts';
import {
  ALL,
  accepted,
  elicit,
  FORM,
  refused,
  request,
  result,
  type Server,
  sample,
  stageWith,
  text,
} from './support.ts';

const needs = (inputRequests: object, requestState?: string) =>
  result({ resultType: 'input_required', inputRequests, ...(requestState !== undefined && { requestState }) });
const form = { method: 'elicitation/create', params: FORM };
const SAMPLED = { role: 'assistant', content: { type: 'text', text: 'yes' }, model: 'm' };

test('an older client is asked in its session for what a newer server wants, round after round', async () => {
  const seen: string[] = [];
  const server: Server = async (call, params) => {
    seen.push(Buffer.from(call.params).toString());
    if (params.requestState === undefined) return needs({ name: form, why: { method: 'roots/list' } }, 's\u00e91');
    if (params.requestState === 's\u00e91') return needs({ 'x"y': { ...sample, params: JSON.parse(sample.params) } });
    return text('never');
  };
  const asked: ServerRequest[] = [];
  const { call, caller } = request({
    paramsRaw: '{ "name":"tool" ,"arguments":{"a":1.0}}',
    ask: async (one) => {
      asked.push(one);
      if (one.method === 'elicitation/create') return result(accepted('Ann'));
      return result(one.method === 'roots/list' ? { roots: [] } : SAMPLED);
    },
  });
  const { execute } = stageWith({
    server: async (one, params) => {
      if (seen.length === 2) {
        seen.push(Buffer.from(one.params).toString());
        return text('done');
      }
      return server(one, params);
    },
  });
  assert.match((await execute(call, caller)).result, /done/);
  assert.deepEqual(
    asked.map(({ method }) => method),
    ['elicitation/create', 'roots/list', 'sampling/createMessage'],
  );
  assert.equal(seen[0], '{ "name":"tool" ,"arguments":{"a":1.0}}', 'the first call goes as it came');
  assert.equal(
    seen[1],
    '{ "name":"tool" ,"arguments":{"a":1.0},"inputResponses":{"name":{"action":"accept","content":{"name":"Ann"}},"why":{"roots":[]}},"requestState":"s\u00e91"}',
  );
  assert.equal(
    seen[2],
    `{ "name":"tool" ,"arguments":{"a":1.0},"inputResponses":{"x\\"y":${JSON.stringify(SAMPLED)}}}`,
  );
});

test('refuses the call where the client cannot be asked, may not be, or gives no answer', async () => {
  const server: Server = async (_call, params) =>
    params.inputResponses === undefined ? needs({ name: form }) : text('?');
  const refuses = async (
    code: Parameters<typeof refused>[0],
    client: Parameters<typeof request>[0],
    denied: string[] = [],
  ) => {
    const { call, caller } = request(client);
    await assert.rejects(stageWith({ server, denied }).execute(call, caller), refused(code));
  };
  const ask = async () => result(accepted('Ann'));
  await refuses('upstream', {});
  await refuses('upstream', { ask, capabilities: {} });
  await refuses('policy', { ask }, ['elicitation/create']);
  await refuses('upstream', { ask: async () => ({ kind: 'error', raw: '{"code":-1,"message":"no"}' }) });
  await refuses('upstream', { ask: async () => result({ action: 'accept', content: { name: 5 } }) });
});

test('a call whose right was withdrawn while the client was asked is not made anew', async () => {
  let [calls, permitted] = [0, true];
  const server: Server = async (_call, params) => {
    calls++;
    return params.inputResponses === undefined ? needs({ name: form }) : text('too late');
  };
  const { call, caller } = request({
    ask: async () => {
      permitted = false;
      return result(accepted('Ann'));
    },
  });
  const stage = stageWith({ server, stillMay: () => permitted });
  await assert.rejects(stage.execute(call, caller), refused('policy', /withdrawn/));
  assert.equal(calls, 1);
});

test('a server that wants input for ever is ended, and so is one that wants it where none can be given', async () => {
  let calls = 0;
  const endless: Server = async () => needs({}, String(++calls));
  const { call, caller } = request({ ask: async () => result({}) });
  await assert.rejects(stageWith({ server: endless }).execute(call, caller), refused('upstream', /8 rounds/));
  assert.equal(calls, 9);
  const list = request({ method: 'resources/list', params: {}, modern: true });
  await assert.rejects(stageWith({ server: endless }).execute(list.call, list.caller), refused('upstream'));
});

test('an older client cannot bring input of its own', async () => {
  for (const params of [{ requestState: 'x' }, { inputResponses: {} }]) {
    const { call, caller } = request({ params, capabilities: ALL });
    await assert.rejects(stageWith({ server: async () => text('?') }).execute(call, caller), refused('params'));
  }
});

test('an elicitation by URL gets the id that older clients expect', async () => {
  const reached: ServerRequest[] = [];
  const { call, caller } = request({
    ask: async (one) => {
      reached.push(one);
      return result({ action: 'accept' });
    },
  });
  const url = { mode: 'url', message: 'm', url: 'https://example.com/' };
  const { execute } = stageWith({
    server: async (_call, params) =>
      params.inputResponses === undefined ? needs({ u: { method: 'elicitation/create', params: url } }) : text('ok'),
  });
  await execute(call, caller);
  assert.match(JSON.parse(reached[0]?.params ?? '{}').elicitationId, /^[0-9a-f-]{36}$/);
  assert.equal(elicit(url).method, reached[0]?.method);
});

test('both ways of asking in a session use the names that the client knows', async () => {
  const params = { ...FORM, message: 'uri-of-server' };
  const servers: Server[] = [
    async (call) => {
      await call.ask(elicit(params));
      return text('done');
    },
    async (_call, { inputResponses }) =>
      inputResponses === undefined ? needs({ a: { method: 'elicitation/create', params } }) : text('done'),
  ];
  for (const server of servers) {
    const reached: ServerRequest[] = [];
    const { call, caller } = request({
      ask: async (one) => {
        reached.push(one);
        return result(accepted('Ann'));
      },
    });
    await stageWith({ server }).execute(call, caller);
    assert.equal(JSON.parse(reached[0]?.params ?? '{}').message, 'srv+uri-of-server');
  }
});
