import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainResult } from '../../src/runtime/upstream/http/answer.ts';
import { encodeModern } from '../../src/runtime/upstream/http/encode.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import {
  callOf,
  json,
  keepingSessions,
  type Manners,
  modern,
  remoteServer,
  textResult,
  upstreamOf,
} from './remote-server.ts';

const PREFIX = 'io.modelcontextprotocol/';
const failed = (detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UpstreamFailure, String(error));
  assert.match(error.detail, detail);
  return true;
};
const error = (id: unknown, code: number, data?: object) => ({
  jsonrpc: '2.0',
  id,
  error: { code, message: 'no', data },
});
/** These manners for server/discover only. */
const onDiscover =
  (manners: Manners): Manners =>
  (heard, response) =>
    heard.message.method === 'server/discover' && manners(heard, response);

const older: readonly [string, Manners][] = [
  ['400 and an error without an id', () => false],
  ['400 and −32601', ({ message: { id } }, r) => json(r, error(id, -32601), {}, 400)],
  ['404 and nothing', (_, r) => !!r.writeHead(404).end()],
  ['200 and −32601', ({ message: { id } }, r) => json(r, error(id, -32601))],
  ['a result that names no versions', ({ message: { id } }, r) => json(r, { jsonrpc: '2.0', id, result: {} })],
  ['500', (_, r) => !!r.writeHead(500).end('boom')],
  [
    '−32022 that offers older versions',
    ({ message: { id } }, r) => json(r, error(id, -32022, { supported: ['2025-11-25'] }), {}, 400),
  ],
];
for (const [name, manners] of older)
  test(`opens with initialize where server/discover is answered with ${name}`, async (t) => {
    const remote = await remoteServer(t, onDiscover(manners));
    const upstream = upstreamOf(t, remote.settings);
    assert.match((await upstream.call(callOf({ echo: 'hi' }))).raw, /hi/);
    assert.equal(remote.asked('server/discover').length, 1);
    assert.equal(remote.asked('initialize')[0]?.headers['mcp-protocol-version'], undefined);
    assert.equal(remote.asked('tools/call')[0]?.headers['mcp-protocol-version'], '2025-11-25');
    assert.equal(remote.asked('tools/call')[0]?.message.params?._meta, undefined);
  });

const undecided: readonly [string, RegExp, Manners][] = [
  ['401', /HTTP status 401/, (_, r) => !!r.writeHead(401).end()],
  ['503', /HTTP status 503/, (_, r) => !!r.writeHead(503).end()],
  ['−32020', /-32020/, ({ message: { id } }, r) => json(r, error(id, -32020), {}, 400)],
  ['no connection', /UND_ERR_SOCKET|ECONNRESET/, (_, r) => !!r.destroy()],
];
for (const [name, detail, manners] of undecided)
  test(`does not take a server for an older one that answers server/discover with ${name}`, async (t) => {
    const remote = await remoteServer(t, onDiscover(manners));
    await assert.rejects(upstreamOf(t, remote.settings).call(callOf()), failed(detail));
    assert.equal(remote.asked('initialize').length, 0);
  });

test('asks once more where the revision that a server offers is refused', async (t) => {
  let asked = 0;
  const polite = modern(() => false);
  const remote = await remoteServer(t, (heard, response) => {
    const { id, method } = heard.message;
    if (method === 'server/discover' && ++asked === 1)
      return json(response, error(id, -32022, { supported: ['2026-07-28'] }), {}, 400);
    return polite(heard, response);
  });
  assert.match((await upstreamOf(t, remote.settings).call(callOf({ echo: 'hi' }))).raw, /hi/);
  assert.equal(remote.asked('initialize').length, 0);
  for (const { headers, message } of remote.heard) {
    assert.equal(headers['mcp-protocol-version'], '2026-07-28');
    const meta = message.params?._meta as Record<string, unknown> | undefined;
    assert.equal(meta?.[`${PREFIX}protocolVersion`], '2026-07-28');
  }
  const ids = remote.heard.map(({ message }) => message.id);
  assert.equal(new Set(ids).size, ids.length, 'no id twice');
});

test('finds the era out once for all subjects, and anew after an hour', async (t) => {
  let now = 0;
  let refuse = false;
  const remote = await remoteServer(
    t,
    keepingSessions(({ message: { id, method } }, response) => {
      if (!refuse || method !== 'server/discover') return false;
      const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} };
      return json(response, { jsonrpc: '2.0', id, result });
    }),
  );
  const upstream = upstreamOf(t, remote.settings, { now: () => now });
  for (const subject of ['alice', 'bob', 'alice']) await upstream.call(callOf({ subject }));
  assert.equal(remote.asked('server/discover').length, 1);
  assert.equal(remote.asked('initialize').length, 2);
  [refuse, now] = [true, 61 * 60 * 1000];
  await upstream.call(callOf({ subject: 'carol' }));
  assert.equal(remote.asked('server/discover').length, 2);
  assert.equal(remote.asked('initialize').length, 2);
});

test('asks anew where a server of 2026-07-28 speaks the older revisions only from now on', async (t) => {
  let downgraded = false;
  const newer = modern(() => false);
  const remote = await remoteServer(t, (heard, response) => {
    if (!downgraded) return newer(heard, response);
    if (heard.message.method !== 'tools/call' || heard.headers['mcp-protocol-version'] !== '2026-07-28') return false;
    return !!response.writeHead(400).end();
  });
  const upstream = upstreamOf(t, remote.settings);
  await upstream.call(callOf());
  downgraded = true;
  await assert.rejects(upstream.call(callOf()), failed(/HTTP status 400/));
  assert.match((await upstream.call(callOf({ echo: 'older' }))).raw, /older/);
});

test('what a request of 2026-07-28 carries: envelope of this call, mirrored headers, every other byte', async (t) => {
  const remote = await remoteServer(
    t,
    modern(({ message: { id } }, response) => json(response, textResult(id, 'x'))),
  );
  const upstream = upstreamOf(t, remote.settings);
  const params =
    '{ "_meta": {"a":1.0, "io.modelcontextprotocol/protocolVersion":"x","io.modelcontextprotocol/other":[]} ,"name":"größe","arguments":{"n":1.0e2}}';
  await upstream.call(
    callOf({
      params: Buffer.from(params),
      capabilities: '{"elicitation":{"form":{}}}',
      logLevel: 'debug',
      headers: ['mcp-param-region', 'eu', 'mcp-param-empty', '', 'mcp-param-x', '=?base64?w7w=?='],
    }),
  );
  const [call] = remote.asked('tools/call');
  assert.deepEqual(call?.message.params, {
    _meta: {
      [`${PREFIX}protocolVersion`]: '2026-07-28',
      [`${PREFIX}clientInfo`]: { name: 'innerkeep', version: '0.1.0' },
      [`${PREFIX}clientCapabilities`]: { elicitation: { form: {} } },
      [`${PREFIX}logLevel`]: 'debug',
      a: 1,
      [`${PREFIX}other`]: [],
    },
    name: 'größe',
    arguments: { n: 100 },
  });
  const { 'mcp-method': method, 'mcp-name': name } = call?.headers ?? {};
  assert.deepEqual([method, name], ['tools/call', '=?base64?Z3LDtsOfZQ==?=']);
  for (const [header, value] of Object.entries({ region: 'eu', empty: '', x: '=?base64?w7w=?=' }))
    assert.equal(call?.headers[`mcp-param-${header}`], value);
});

test('an error with a status of its own is an answer, where it answers this request', async (t) => {
  const data = { requiredCapabilities: { sampling: {} } };
  const remote = await remoteServer(
    t,
    modern(({ message: { id } }, response) => json(response, error(id, -32021, data), {}, 400)),
  );
  const answer = await upstreamOf(t, remote.settings).call(callOf());
  assert.equal(answer.kind, 'error');
  assert.deepEqual(JSON.parse(answer.raw), { code: -32021, message: 'no', data });
  const foreign = await remoteServer(
    t,
    modern((_, response) => json(response, error(999, -32021, data), {}, 400)),
  );
  await assert.rejects(upstreamOf(t, foreign.settings).call(callOf()), failed(/HTTP status 400/));
});

test('the envelope changes nothing else, whatever the params are', () => {
  const key = fc.oneof(fc.string(), fc.constantFrom('_meta', 'name', 'uri', `${PREFIX}logLevel`));
  const meta = fc.option(fc.dictionary(key, fc.jsonValue()), { nil: undefined });
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), meta, fc.boolean(), (rest, own, spaced) => {
      const value = JSON.parse(JSON.stringify(own === undefined ? rest : { ...rest, _meta: own }));
      const params = Buffer.from(JSON.stringify(value, null, spaced ? 1 : 0));
      const call = { method: 'tools/call', params, capabilities: '{"roots":{}}', logLevel: undefined, headers: [] };
      const { body } = encodeModern(7, call, []);
      const sent = JSON.parse(body.toString());
      const { _meta: written, ...others } = sent.params;
      const { _meta: given, ...expected } = value;
      assert.deepEqual({ id: sent.id, method: sent.method, others }, { id: 7, method: 'tools/call', others: expected });
      assert.deepEqual(written[`${PREFIX}clientCapabilities`], { roots: {} });
      assert.equal(written[`${PREFIX}logLevel`], undefined);
      if (typeof given === 'object' && given !== null && !Array.isArray(given))
        for (const [name, kept] of Object.entries(given))
          if (name !== `${PREFIX}logLevel`) assert.deepEqual(written[name], kept);
    }),
  );
});

test('the short way to a result finds the same as the parser, or nothing', () => {
  const result = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((value) => JSON.stringify(value));
  const space = fc.constantFrom('', ' ', '\n', '\t\r\n');
  const whole = fc
    .tuple(result, fc.integer({ min: 0, max: 5 }), fc.constantFrom(0, 1, 2, 3, 4), space)
    .map(([raw, id, order, tail]) => {
      const parts = [`"jsonrpc":"2.0"`, `"id":${id}`, `"result":${raw}`];
      const orders =
        [
          [0, 1, 2],
          [2, 0, 1],
          [2, 1, 0],
          [0, 2, 1],
          [2, 0, 1, 1],
        ][order] ?? [];
      return { text: `{${orders.map((at) => parts[at]).join(',')}}${tail}`, id, raw };
    });
  fc.assert(
    fc.property(whole, ({ text, id, raw }) => {
      const found = plainResult(text, id);
      assert.ok(found === undefined || found === raw);
      assert.equal(plainResult(text, id + 10), undefined);
    }),
  );
  fc.assert(
    fc.property(whole, fc.nat(), fc.constantFrom('', '}', ']', '"', '{', ',', '\\'), ({ text, id }, at, noise) => {
      const [before, after] = [text.slice(0, at % text.length), text.slice(at % text.length)];
      const broken = before + noise + after.slice(noise === '' ? 1 : 0);
      let found: string | undefined;
      try {
        found = plainResult(broken, id);
      } catch {
        return;
      }
      if (found === undefined) return;
      // What it finds is the whole result, however broken: nothing of the message is left out.
      const head = broken.slice(0, broken.indexOf(found));
      const tail = broken.slice(head.length + found.length);
      assert.ok(JSON.parse(`${head}0${tail}`), broken);
    }),
  );
});
