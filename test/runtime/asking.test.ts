import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { encodeFrame, FrameReader, type FromRuntime } from '../../src/contract/runtime-link.ts';
import type { RpcAnswer, ServerRequest, UpstreamCall } from '../../src/contract/upstream.ts';
import { Deadline } from '../../src/runtime/upstream/deadline.ts';
import type { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { plainDriver } from './plain-driver.ts';
import { aCall, runtimeWith, sandboxWith, stdioServer, textOf } from './support.ts';

const asking = (manners: string, deadline = 60_000) => stdioServer(manners, { program: 'asking.mjs', deadline });

/** What a client answers that is asked the same thing again and again. */
function client(raw = '{"action":"decline"}') {
  const asked: ServerRequest[] = [];
  const ask = async (request: ServerRequest): Promise<RpcAnswer> => {
    asked.push(request);
    return { kind: 'result', raw };
  };
  return { asked, ask };
}

/** The lines in which the server was answered. */
async function heard(t: TestContext, manners: string, more: Partial<UpstreamCall>): Promise<string[]> {
  const { upstream } = sandboxWith(t, asking(manners));
  return textOf(await upstream.call(aCall(more))).split(/,(?=\{"jsonrpc")/);
}

/** A client that has been asked and thinks. */
function thinker() {
  const asked = Promise.withResolvers<(answer: RpcAnswer) => void>();
  const ask = () => new Promise<RpcAnswer>((resolve) => asked.resolve(resolve));
  return { asked: asked.promise, ask };
}

test('a server is answered in its own words, under its own id', async (t) => {
  const { asked, ask } = client('{ "action":"accept",\n"content":{"n":1.0} }');
  assert.deepEqual(await heard(t, 'once', { ask }), [
    '{"jsonrpc":"2.0","id":"first","result":{ "action":"accept", "content":{"n":1.0} }}',
  ]);
  assert.deepEqual(asked, [{ method: 'elicitation/create', params: '{"message":"who?"}' }]);
});

test('the bytes of an id come back, and a request without params has none', async (t) => {
  const { asked, ask } = client('{"roots":[]}');
  assert.deepEqual(await heard(t, 'raw-id', { ask }), ['{"jsonrpc":"2.0","id":1.50e1,"result":{"roots":[]}}']);
  assert.deepEqual(asked, [{ method: 'roots/list', params: '{}' }]);
});

test('a refusal of the client is an error to the server', async (t) => {
  const ask = async (): Promise<RpcAnswer> => ({ kind: 'error', raw: '{"code":-1,"message":"User said no"}' });
  const lines = await heard(t, 'once', { ask });
  assert.deepEqual(lines, ['{"jsonrpc":"2.0","id":"first","error":{"code":-1,"message":"User said no"}}']);
});

test('several requests at a time, answered in another order', async (t) => {
  const open: (() => void)[] = [];
  const ask = ({ params }: ServerRequest) =>
    new Promise<RpcAnswer>((resolve) => {
      open.push(() => resolve({ kind: 'result', raw: params }));
      if (open.length === 3) setImmediate(() => open.reverse().forEach((answer) => void answer()));
    });
  const lines = await heard(t, 'three', { ask });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [3, 2, 1].map((id) => ({ jsonrpc: '2.0', id, result: { n: id } })),
  );
});

test('1 and "1" are two ids', async (t) => {
  const lines = await heard(t, 'both-ids', client());
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).id),
    [1, '1'],
  );
});

test('ping is answered here, and what a server asks before the call is nobody’s question', async (t) => {
  const { asked, ask } = client();
  assert.deepEqual(await heard(t, 'pings', { ask }), ['{"jsonrpc":"2.0","id":"p","result":{}}']);
  assert.deepEqual(asked, []);
});

test('every notification in mid-call is passed on as it came', async (t) => {
  const told: string[] = [];
  await heard(t, 'notifies', { notify: (message) => told.push(message) });
  const methods = ['progress', 'message', 'tools/list_changed', 'made/up'];
  assert.deepEqual(
    told,
    methods.map((method) => `{"jsonrpc":"2.0", "method":"notifications/${method}","params":{"level" : 1.0}}`),
  );
});

test('a request that the server takes back is not answered any more', async (t) => {
  const late = Promise.withResolvers<RpcAnswer>();
  let first = true;
  const ask = (): Promise<RpcAnswer> => {
    const answer = first ? late.promise : late.promise.then(() => ({ kind: 'result', raw: '{}' }) as const);
    if (!first) late.resolve({ kind: 'result', raw: '{"late":true}' });
    first = false;
    return answer;
  };
  assert.deepEqual(await heard(t, 'cancels', { ask }), ['{"jsonrpc":"2.0","id":"y","result":{}}']);
});

test('an answer ends the call although a request is open', async (t) => {
  const { upstream } = sandboxWith(t, asking('answers-while-asking'));
  const { ask, asked } = thinker();
  assert.equal(textOf(await upstream.call(aCall({ ask }))), 'never mind');
  (await asked)({ kind: 'result', raw: '{}' });
});

const hostile: readonly [manners: string, detail: RegExp, asked: number][] = [
  ['endlessly-after-answers', /more than 100 requests by the server/, 100],
  ['ten-thousand', /more than 16 requests by the server at the same time/, 16],
  ['pings-endlessly', /more than 1000 pings/, 0],
  ['huge', /a frame of more than 100000 bytes/, 0],
  ['long-method', /a bad method/, 0],
  ['array-params', /params are not an object/, 0],
  ['reuses-an-id', /used the request id 1 twice/, 1],
  ['reuses-an-answered-id', /used the request id 1 twice/, 1],
  ['responds-to-nothing', /answered id 99, not \d+/, 0],
  ['asks-and-exits', /exited \(code 4/, 1],
];

for (const [manners, detail, most] of hostile)
  test(`ends a server that ${manners}`, async (t) => {
    verifies('sandbox.isolation');
    const { upstream, pool, driver } = sandboxWith(t, asking(manners));
    let asked = 0;
    const ask = async (): Promise<RpcAnswer> => {
      asked++;
      return ['ten-thousand', 'asks-and-exits'].includes(manners)
        ? new Promise(() => {})
        : { kind: 'result', raw: '{}' };
    };
    await assert.rejects(upstream.call(aCall({ ask })), (error: UpstreamFailure) => detail.test(error.detail));
    assert.equal(asked, most);
    await pool.close();
    assert.equal(driver.alive(), 0);
  });

test('a server that does not read its answers does not fill the memory', async (t) => {
  const { upstream } = sandboxWith(t, asking('three'));
  const { ask } = client(`{"x":"${'x'.repeat(12 << 20)}"}`);
  await assert.rejects(upstream.call(aCall({ ask })), { code: 'size', detail: /too many responses/ });
});

test('the deadline stands still while the client thinks, and goes on behind', async (t) => {
  const { upstream } = sandboxWith(t, asking('forgets-to-answer', 1000));
  const { ask, asked } = thinker();
  const call = upstream.call(aCall({ ask }));
  const settled = call.catch(() => 'ended');
  const answer = await asked;
  const still = new Promise((resolve) => setTimeout(resolve, 1500, 'still open'));
  assert.equal(await Promise.race([settled, still]), 'still open');
  answer({ kind: 'result', raw: '{}' });
  await assert.rejects(call, { code: 'isolation', detail: /no answer within 1000 ms/ });
});

test('however often it stands still, a client is waited for ten minutes in all', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const failures: string[] = [];
  const deadline = new Deadline(
    1000,
    () => now,
    ({ detail }) => failures.push(detail),
  );
  for (let turn = 0; turn < 9; turn++) {
    pass(100);
    deadline.pause(true);
    pass(60_000);
    deadline.pause(false);
  }
  deadline.pause(true);
  pass(59_999);
  assert.deepEqual(failures, []);
  pass(1);
  assert.match(failures.join(), /did not answer the server within 600000 ms/);
});

test('a caller who goes while the client thinks takes the sandbox along', async (t) => {
  verifies('sandbox.isolation');
  const { upstream, pool, driver } = sandboxWith(t, asking('once'));
  const { ask, asked } = thinker();
  const controller = new AbortController();
  const call = upstream.call(aCall({ ask, signal: controller.signal }));
  await asked;
  controller.abort();
  await assert.rejects(call, { detail: /cancelled/ });
  await pool.close();
  assert.equal(driver.alive(), 0);
});

test('calls that wait for their clients leave room for others: six of a subject, half of the pool', async (t) => {
  const { upstream } = sandboxWith(t, asking('once'), { live: 16 });
  const answers: ((answer: RpcAnswer) => void)[] = [];
  const ask = () => new Promise<RpcAnswer>((resolve) => void answers.push(resolve));
  const start = (subject: string) => upstream.call(aCall({ ask, subject }));
  const open = [];
  for (const subject of [...Array.from({ length: 6 }, () => 'alice'), 'bob', 'bob']) {
    open.push(start(subject));
    const before = open.length;
    await until(() => answers.length === before);
    if (before === 6) await assert.rejects(start('alice'), { code: 'overload' });
  }
  await assert.rejects(start('carol'), { code: 'overload' });
  answers.shift()?.({ kind: 'result', raw: '{}' });
  await open.shift();
  open.push(start('carol'));
  await until(() => answers.length === 8);
  for (const answer of answers) answer({ kind: 'result', raw: '{}' });
  await Promise.all(open);
});

test('asks travel over the link, and a call that has ended takes no reply', async (t) => {
  const { link } = await runtimeWith(t, [asking('three'), { ...asking('answers-while-asking'), name: 'hasty' }]);
  const { asked, ask } = client('{"roots":[]}');
  const lines = textOf(await link.call('tool', aCall({ ask })));
  assert.equal(lines.split('"result":{"roots":[]}').length, 4);
  assert.equal(asked.length, 3);
  const late = thinker();
  assert.equal(textOf(await link.call('hasty', aCall({ ask: late.ask }))), 'never mind');
});

test('a gateway that replies to what was not asked, or not in JSON, loses its connection and its sandboxes', async (t) => {
  const driver = plainDriver();
  const { bundle, events, runtime } = await runtimeWith(t, [asking('once')], driver);
  const call = { kind: 'call', id: 1, server: 'tool', method: 'tools/call', subject: 'alice' } as const;
  const replies = [
    [7, '{}'],
    [1, '{"a":1,"a":2}'],
    [1, '{},"id":2,"x":{}'],
  ] as const;
  for (const [ask, body] of replies) {
    const socket = connect(bundle.socket);
    socket.on('error', () => {});
    socket.write(encodeFrame({ ...call, capabilities: '{}' }, '{"name":"x"}'));
    const reader = new FrameReader<FromRuntime>(1 << 20);
    for await (const chunk of socket)
      for (const { head } of reader.push(chunk)) {
        assert.equal(head.kind, 'ask');
        socket.write(encodeFrame({ kind: 'reply', id: 1, ask, outcome: 'result' }, body));
      }
  }
  assert.equal(events.filter((event) => 'event' in event && event.event === 'link-broken').length, 3);
  await runtime.close();
  assert.equal(driver.alive(), 0);
});
