import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import type { RpcAnswer, Served } from '../../src/contract/upstream.ts';
import { isFault, Stopwatch } from '../../src/runtime/upstream/served.ts';
import { freePort } from '../support/free-port.ts';
import { verifies } from '../support/verifies.ts';
import { callOf, events, json, keepingSessions, remoteServer, textResult, upstreamOf } from './remote-server.ts';
import { aCall, runtimeWith, sandboxWith, stdioServer } from './support.ts';

/** Milliseconds that a person takes to answer: far more than any server here, on whatever machine. */
const THINKS = 1500;
const thinking = async (): Promise<RpcAnswer> => {
  await new Promise((resolve) => setTimeout(resolve, THINKS));
  return { kind: 'result', raw: '{"action":"decline"}' };
};
const report = () => {
  const all: Served[] = [];
  return { all, served: (served: Served) => void all.push(served) };
};

test("the stopwatch stands still while the client is waited for, and doesn't count it twice", () => {
  verifies('limits.breaker');
  let now = 0;
  const watch = new Stopwatch(() => now);
  const pass = (ms: number) => {
    now += ms;
    return watch.ms;
  };
  assert.equal(pass(10), 10);
  watch.pause(true);
  assert.equal(pass(1000), 10);
  watch.pause(true);
  assert.equal(pass(1000), 10);
  watch.pause(false);
  watch.pause(false);
  assert.equal(pass(5), 15);
});

test('a sandboxed server is told of by its own time: not the start of its sandbox, nor the person that it asks', async (t) => {
  verifies('limits.breaker');
  const { all, served } = report();
  const asking = stdioServer('once', { program: 'asking.mjs' });
  // Nothing is ready, and the call waits for the start.
  const { upstream } = sandboxWith(t, asking, { idle: 0 });
  const began = performance.now();
  await upstream.call(aCall({ ask: thinking, served }));
  const took = performance.now() - began;
  assert.equal(all.length, 1);
  assert.ok(took >= THINKS && (all[0]?.ms ?? THINKS) <= took - THINKS / 2, `${all[0]?.ms} of ${took}`);
  assert.equal(all[0]?.fault, false);
});

test('the gateway hears of it over the link; of a server that never had the call it hears nothing', async (t) => {
  verifies('limits.breaker');
  const dying = stdioServer('', { name: 'dying', command: ['node', '-e', 'process.exit(1)'] } as never);
  const { link } = await runtimeWith(t, [stdioServer(''), dying]);
  const [good, never] = [report(), report()];
  const params = Buffer.from('{"name":"echo","arguments":{"echo":"x"}}');
  await link.call('tool', aCall({ params, served: good.served }));
  assert.equal(good.all.length, 1);
  assert.equal(good.all[0]?.fault, false);
  await assert.rejects(link.call('dying', aCall({ params, served: never.served })));
  assert.deepEqual(never.all, []);
});

test('a remote server is told of likewise; whoever cannot be reached has failed, and who refuses the request has not', async (t) => {
  verifies('limits.breaker');
  let finish = () => {};
  const hangs = new EventEmitter();
  const remote = await remoteServer(
    t,
    keepingSessions(({ message }, response) => {
      if (message.method === undefined) {
        finish();
        return !!response.writeHead(202).end();
      }
      if (message.method !== 'tools/call') return false;
      const { echo } = (message.params as { arguments: { echo: string } }).arguments;
      if (echo === 'hang') return hangs.emit('hang');
      if (echo !== 'ask') return json(response, {}, {}, Number(echo));
      const stream = events(response);
      stream.send({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'sure?' } });
      finish = () => {
        stream.send(textResult(message.id, 'done'));
        stream.end();
      };
      return true;
    }),
  );
  const upstream = upstreamOf(t, remote.settings);
  const asked = report();
  const began = performance.now();
  await upstream.call(callOf({ echo: 'ask', capabilities: '{"elicitation":{}}', ask: thinking, served: asked.served }));
  const took = performance.now() - began;
  assert.ok(took >= THINKS && (asked.all[0]?.ms ?? THINKS) <= took - THINKS / 2, `${asked.all[0]?.ms} of ${took}`);
  for (const [status, fault] of [
    ['400', false],
    ['403', false],
    ['429', false],
    ['500', true],
    ['503', true],
  ] as const) {
    const { all, served } = report();
    await assert.rejects(upstream.call(callOf({ echo: status, served })));
    assert.equal(all.at(-1)?.fault, fault, status);
  }
  // Who goes away does not make a good call of one that hangs: it could close a breaker.
  const [given, leaving] = [report(), new AbortController()];
  const hanging = once(hangs, 'hang');
  const hung = upstream.call(callOf({ echo: 'hang', served: given.served, signal: leaving.signal }));
  await hanging;
  leaving.abort();
  await assert.rejects(hung);
  assert.deepEqual(given.all, []);
  const gone = report();
  const nobody = upstreamOf(t, { ...remote.settings, url: `http://127.0.0.1:${await freePort()}/mcp` });
  await assert.rejects(nobody.call(callOf({ served: gone.served })));
  assert.deepEqual(gone.all, [{ ms: 0, fault: true }]);
});

test('an error is the failure of a server unless it says that the request was wrong (JSON-RPC 2.0 §5.1)', () => {
  verifies('limits.breaker');
  const error = (raw: string) => isFault({ kind: 'error', raw });
  for (const code of [-32603, -32000, 1, 500]) assert.ok(error(`{"code":${code},"message":"x"}`), `${code}`);
  for (const code of [-32600, -32601, -32602, -32002, -32042]) assert.ok(!error(`{"code":${code}}`), `${code}`);
  assert.ok(error('{"code":"-32602"}') && error('null') && error('{}'));
  assert.ok(!isFault({ kind: 'result', raw: '{"isError":true}' }));
});
