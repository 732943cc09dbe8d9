import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { JsonObject } from '../../src/contract/json.ts';
import { verifies } from '../support/verifies.ts';
import {
  accepted,
  answerOf,
  type Client,
  FORM,
  refused,
  request,
  result,
  type Server,
  stageWith,
  text,
} from './support.ts';

const form = { method: 'elicitation/create', params: FORM };
const STATE = 'the server\u2019s own \u0000 state';
const seen: JsonObject[] = [];

/** Wants a name, then answers; keeps what it was sent. */
const asking: Server = async (_call, params) => {
  seen.push(params);
  return params.inputResponses === undefined
    ? result({ resultType: 'input_required', inputRequests: { user_name: form }, requestState: STATE, 'x-new': [1] })
    : text('done');
};

const modern = (client: Client = {}): Client => ({ modern: true, ...client });

async function firstState(stage = stageWith({ server: asking }), client: Client = {}): Promise<string> {
  const { call, caller } = request(modern(client));
  return answerOf(await stage.execute(call, caller)).requestState;
}

const retry = (requestState: string, more: Client = {}, inputResponses: object = { user_name: accepted('Ann') }) =>
  request(modern({ ...more, params: { ...more.params, inputResponses, requestState } }));

test('a newer client gets the question with our seal instead of the server’s state, which comes back byte for byte', async () => {
  const stage = stageWith({ server: asking });
  const { call, caller } = request(modern());
  const executed = await stage.execute(call, caller);
  const { requestState, ...answer } = answerOf(executed);
  assert.deepEqual(answer, { resultType: 'input_required', inputRequests: { user_name: form }, 'x-new': [1] });
  assert.ok(!Buffer.from(requestState.split('.')[1], 'base64url').includes('own'));
  const again = retry(requestState);
  assert.match((await stage.execute(again.call, again.caller)).result, /done/);
  assert.deepEqual(seen.at(-1)?.requestState, STATE);
  assert.deepEqual(seen.at(-1)?.inputResponses, { user_name: accepted('Ann') });
  // Stateless: the same state may come again.
  assert.match((await stage.execute(again.call, again.caller)).result, /done/);
});

test('a server that gave no state gets none', async () => {
  const stage = stageWith({
    server: async (call, params) => {
      seen.push(params);
      const { requestState: _none, ...answer } = JSON.parse((await asking(call, params)).raw);
      return result(answer);
    },
  });
  const state = await firstState(stage);
  const again = retry(state);
  await stage.execute(again.call, again.caller);
  assert.ok(!Object.hasOwn(seen.at(-1) ?? {}, 'requestState'));
});

test('answers without a state go to the server, which must judge them anyway', async () => {
  const { call, caller } = request(modern({ params: { inputResponses: { wrong: 1 } } }));
  await stageWith({ server: asking }).execute(call, caller);
  assert.deepEqual(seen.at(-1)?.inputResponses, { wrong: 1 });
});

test('refuses a state that another principal brings, or that was made for another request (MCP 2026-07-28)', async () => {
  const stage = stageWith({ server: asking });
  const state = await firstState(stage);
  const thieves: Client[] = [
    { subject: 'mallory' },
    { tenant: 'evil' },
    { params: { name: 'other' } },
    { params: { arguments: { a: 1 } } },
    { params: { more: null } },
    { method: 'prompts/get' },
  ];
  for (const thief of thieves) {
    const { call, caller } = retry(state, thief);
    await assert.rejects(stage.execute(call, caller), refused('request-state'), JSON.stringify(thief));
  }
  const again = retry(state, { params: { _meta: { progressToken: 1 } } });
  await stage.execute(again.call, again.caller);
});

test('the order of members means nothing, their values everything', async () => {
  const stage = stageWith({ server: asking });
  const args = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
  await fc.assert(
    fc.asyncProperty(args, args, async (one, two) => {
      const state = await firstState(stage, { params: { arguments: one } });
      const turned = Object.fromEntries(Object.entries(one).reverse());
      const same = retry(state, { params: { arguments: turned } });
      await stage.execute(same.call, same.caller);
      const other = retry(state, { params: { arguments: two } });
      const plain = (value: object) => JSON.parse(JSON.stringify(value));
      const equal = isDeepStrictEqual(plain(one), plain(two));
      if (!equal) await assert.rejects(stage.execute(other.call, other.caller), refused('request-state'));
    }),
    { numRuns: 50 },
  );
});

test('refuses a state altered anywhere, cut, lengthened, in another alphabet, of another key, expired', async () => {
  let now = 0;
  const stage = stageWith({ server: asking, now: () => now });
  const state = await firstState(stage);
  const refuses = async (altered: string, by = stage) => {
    const { call, caller } = retry(altered);
    await assert.rejects(by.execute(call, caller), refused('request-state'), altered.slice(0, 40));
  };
  const [id = '', text = ''] = state.split('.');
  const bytes = Buffer.from(text, 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    await refuses(`${id}.${altered.toString('base64url')}`);
  }
  for (const altered of [
    '',
    'x',
    `${state}-TAMPERED`,
    `${state}=`,
    `${state}\n`,
    ` ${state}`,
    state.slice(1),
    state.slice(0, -1),
  ])
    await refuses(altered);
  for (const other of [text, `b.${text}`, `.${text}`, `${id}.${bytes.toString('base64')}=`, `${state}.`])
    await refuses(other);
  await refuses(state, stageWith({ server: asking, key: new Uint8Array(32) }));
  now = 599_999;
  const last = retry(state);
  await stage.execute(last.call, last.caller);
  now = 600_000;
  await refuses(state);
});

test('refuses the whole answer when one of its questions must not be asked', async () => {
  const both: Server = async () =>
    result({
      resultType: 'input_required',
      inputRequests: { a: form, b: { method: 'roots/list' } },
      requestState: 's',
    });
  const { call, caller } = request(modern());
  await assert.rejects(stageWith({ server: both, denied: ['roots/list'] }).execute(call, caller), refused('policy'));
  const lacking = request(modern({ capabilities: { elicitation: {} } }));
  await assert.rejects(stageWith({ server: both }).execute(lacking.call, lacking.caller), (error) => {
    assert.ok(refused('missing-capability')(error));
    assert.deepEqual((error as { data?: unknown }).data, { requiredCapabilities: { roots: {} } });
    return true;
  });
  for (const broken of [
    { inputRequests: [] },
    { inputRequests: { a: 1 } },
    { inputRequests: { a: { method: 1 } } },
    { inputRequests: {}, requestState: 1 },
    {},
    { inputRequests: { a: { method: 'tools/call', params: {} } } },
  ]) {
    const { execute } = stageWith({ server: async () => result({ resultType: 'input_required', ...broken }) });
    await assert.rejects(execute(call, caller), refused('upstream'), JSON.stringify(broken));
  }
});

test('refuses answers that do not fit what was asked', async () => {
  const stage = stageWith({ server: asking });
  const state = await firstState(stage);
  for (const answer of [12345, { action: 'accept', content: { name: 1 } }, { action: 'accept', content: {} }]) {
    const { call, caller } = retry(state, {}, { user_name: answer });
    await assert.rejects(stage.execute(call, caller), refused('params'));
  }
  const { call, caller } = retry(state, {}, { unknown: 1, user_name: accepted('Ann') });
  assert.match((await stage.execute(call, caller)).result, /done/);
});

test('what a server hides behind escapes is judged all the same', async () => {
  const hidden = `{"result\\u0054ype":"input\\u005frequired","inputRequests":{"a":{"m\\u0065thod":"roots/list"}}}`;
  const { execute } = stageWith({ server: async () => ({ kind: 'result', raw: hidden }), denied: ['roots/list'] });
  const { call, caller } = request(modern());
  await assert.rejects(execute(call, caller), refused('policy'));
});

test('a missing capability that a server names reaches the client of 2026-07-28, without the server’s own words', async () => {
  const raw =
    '{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{"tools":{"x":1}},"evil":{}},"x":1}}';
  const { execute } = stageWith({ server: async () => ({ kind: 'error', raw }) });
  const { call, caller } = request(modern({ capabilities: {} }));
  await assert.rejects(execute(call, caller), (error) => {
    assert.ok(refused('missing-capability')(error));
    assert.deepEqual((error as { data?: unknown }).data, { requiredCapabilities: { sampling: { tools: {} } } });
    return true;
  });
  const older = request();
  await assert.rejects(execute(older.call, older.caller), refused('upstream'));
});

test('refuses a result that a reader of names in any letter case would take for another', async () => {
  verifies('input.strict');
  const wants = { resultType: 'input_required', inputRequests: { user_name: form } };
  for (const lookalike of [
    { content: [], resultType: 'complete', ResultType: 'input_required', inputRequests: { a: { method: 'x' } } },
    { ...wants, InputRequests: { user_name: { method: 'elicitation/create', params: { message: 'unjudged' } } } },
    { ...wants, RequestState: STATE },
    { ...wants, inputRequests: { user_name: { ...form, Params: { message: 'unjudged' } } } },
  ]) {
    const { execute } = stageWith({ server: async () => result(lookalike) });
    const { call, caller } = request(modern());
    await assert.rejects(execute(call, caller), refused('upstream', /another spelling/), JSON.stringify(lookalike));
  }
});
