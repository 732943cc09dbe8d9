import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { RpcAnswer, UpstreamCall } from '../../src/contract/upstream.ts';
import { HeldCalls } from '../../src/gateway/execution/held-calls.ts';
import {
  accepted,
  answerOf,
  type Client,
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

const SAMPLED = { role: 'assistant', content: { type: 'text', text: 'yes' }, model: 'm' };
const modern = (client: Client = {}): Client => ({ modern: true, ...client });

/** Asks for a name and greets. */
const greeter: Server = async (call) => {
  const answer = await call.ask(elicit());
  return text(answer.kind === 'result' ? `hello ${JSON.parse(answer.raw).content?.name}` : answer.raw);
};

type Stage = ReturnType<typeof stageWith>;

async function send({ execute }: Stage, client: Client = {}) {
  const { call, caller } = request(modern(client));
  return answerOf(await execute(call, caller));
}

const answers = (requestState: string, inputResponses: object, client: Client = {}): Client => ({
  ...client,
  params: { ...client.params, requestState, inputResponses },
});

test('an older server’s question becomes the answer, and its call goes on when the client comes back', async () => {
  const stage = stageWith({ server: greeter });
  const { requestState, ...first } = await send(stage);
  const question = { method: 'elicitation/create', params: FORM };
  assert.deepEqual(first, { resultType: 'input_required', inputRequests: { 'request-1': question } });
  const last = await send(stage, answers(requestState, { 'request-1': accepted('Ann') }));
  assert.deepEqual(last, { content: [{ type: 'text', text: 'hello Ann' }] });
  await assert.rejects(
    send(stage, answers(requestState, { 'request-1': accepted('Bob') })),
    refused('request-state', /no call is held/),
  );
});

test('what is asked at once is one answer; what is missing is asked again, what nobody asked is ignored', async () => {
  const server: Server = async (call) => {
    const [name, model] = await Promise.all([call.ask(elicit()), call.ask(sample)]);
    const roots = await call.ask({ method: 'roots/list', params: '{}' });
    return result([name, model, roots].map(({ raw }) => JSON.parse(raw)));
  };
  const stage = stageWith({ server });
  const first = await send(stage);
  assert.deepEqual(Object.keys(first.inputRequests), ['request-1', 'request-2']);
  const second = await send(
    stage,
    answers(first.requestState, { 'request-1': accepted('Ann'), 'request-3': {}, x: 1 }),
  );
  assert.deepEqual(Object.keys(second.inputRequests), ['request-2']);
  assert.notEqual(second.requestState, first.requestState);
  await assert.rejects(send(stage, answers(first.requestState, {})), refused('request-state'));
  const third = await send(stage, answers(second.requestState, { 'request-2': SAMPLED }));
  assert.deepEqual(Object.keys(third.inputRequests), ['request-3']);
  const { execute } = stage;
  const { call, caller } = request(modern(answers(third.requestState, { 'request-3': { roots: [] } })));
  assert.deepEqual(JSON.parse((await execute(call, caller)).result), [accepted('Ann'), SAMPLED, { roots: [] }]);
});

test('a call that is held across a change of policy is judged by the new one', async () => {
  const held = new HeldCalls();
  const server: Server = async (call) => {
    await call.ask(elicit());
    return text((await call.ask(sample)).raw);
  };
  const { requestState } = await send(stageWith({ server, held }));
  const stricter = stageWith({ server, held, denied: ['sampling/createMessage'] });
  const last = await send(stricter, answers(requestState, { 'request-1': accepted('Ann') }));
  assert.match(last.content[0].text, /1403/);
  assert.deepEqual(
    stricter.records.map(({ code }) => code),
    ['policy'],
  );
});

test('nobody else’s try ends the call, nor one for another request', async () => {
  const stage = stageWith({ server: greeter });
  const { requestState } = await send(stage);
  const answer = { 'request-1': accepted('Eve') };
  for (const thief of [{ subject: 'mallory' }, { tenant: 'evil' }, { params: { arguments: { x: 1 } } }])
    await assert.rejects(send(stage, answers(requestState, answer, thief)), refused('request-state'));
  const last = await send(stage, answers(requestState, { 'request-1': accepted('Ann') }));
  assert.equal(last.content[0].text, 'hello Ann');
});

test('a server hears an error where the client said that it cannot, or may not be asked', async () => {
  const without = await send(stageWith({ server: greeter }), { capabilities: {} });
  assert.match(without.content[0].text, /-32601/);
  const other = await send(stageWith({ server: greeter }), { capabilities: { sampling: {} } });
  assert.match(other.content[0].text, /-32601/);
  const denied = await send(stageWith({ server: greeter, denied: ['elicitation/create'] }));
  assert.match(denied.content[0].text, /1403/);
  const listing = await send(stageWith({ server: greeter }), { method: 'resources/list', params: {} });
  assert.match(listing.content[0].text, /-32601/);
});

test('a call that fails for want of a capability says which (MCP 2026-07-28, −32021)', async () => {
  const failing: Server = async (call) => result({ isError: true, content: [], why: await call.ask(sample) });
  await assert.rejects(send(stageWith({ server: failing }), { capabilities: { elicitation: {} } }), (error) => {
    assert.ok(refused('missing-capability')(error));
    assert.deepEqual((error as { data?: unknown }).data, { requiredCapabilities: { sampling: {} } });
    return true;
  });
});

test('an answer that is not one reaches the server as an error', async () => {
  const stage = stageWith({ server: greeter });
  const { requestState } = await send(stage);
  const last = await send(stage, answers(requestState, { 'request-1': { action: 'accept', content: { name: 1 } } }));
  assert.match(last.content[0].text, /-32603/);
  assert.equal(stage.records.at(-1)?.code, 'params');
});

test('a client that goes away ends its call, unless it has been answered', async () => {
  const calls: UpstreamCall[] = [];
  const server: Server = (call) => {
    calls.push(call);
    return new Promise((resolve, reject) => {
      call.signal.addEventListener('abort', () => reject(new Error('cancelled')));
      if (calls.length === 1) return;
      void call.ask(elicit()).then(() => call.ask(sample).then(() => resolve(text('done'))));
    });
  };
  const stage = stageWith({ server });
  const early = new AbortController();
  const waiting = send(stage, { signal: early.signal });
  early.abort();
  await assert.rejects(waiting, refused('unavailable'));
  assert.equal(calls[0]?.signal.aborted, true);

  const answered = new AbortController();
  const { requestState } = await send(stage, { signal: answered.signal });
  answered.abort();
  assert.equal(calls[1]?.signal.aborted, false, 'a held call has nobody who could go away');
  const next = await send(stage, answers(requestState, { 'request-1': accepted('Ann') }));
  const again = new AbortController();
  again.abort();
  await assert.rejects(
    send(stage, { ...answers(next.requestState, {}), signal: again.signal }),
    refused('unavailable'),
  );
  assert.equal(calls[1]?.signal.aborted, true);
});

/** Lets mocked time go on until it has happened. */
async function meanwhile<T>(t: TestContext, happening: Promise<T>): Promise<T> {
  let over = false;
  const end = () => {
    over = true;
  };
  happening.then(end, end);
  while (!over) {
    t.mock.timers.tick(1);
    await new Promise(setImmediate);
  }
  return happening;
}

test('held calls of whoever may not go on end at once, others stay', async (t) => {
  const signals = new Map<string, AbortSignal>();
  const held = new HeldCalls();
  const stage = stageWith({
    held,
    server: (call, params) => {
      signals.set(call.subject, call.signal);
      return greeter(call, params);
    },
  });
  const mine = await send(stage, { subject: 'alice' });
  await send(stage, { subject: 'bob' });
  t.after(() => held.close());
  held.end(({ subject }) => subject.id === 'alice');
  assert.deepEqual(
    [...signals.values()].map(({ aborted }) => aborted),
    [true, false],
  );
  const back = answers(mine.requestState, { 'request-1': accepted('Ann') }, { subject: 'alice' });
  await assert.rejects(send(stage, back), refused('request-state'));
});

test('held calls are bounded for each subject and in total, and end at their deadline', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const signals: Record<string, AbortSignal> = {};
  const held = new HeldCalls({ perSubject: 2, total: 3, deadline: 1_000_000 });
  const stage = stageWith({
    held,
    server: (call, params) => {
      signals[(params.arguments as { id: string }).id] = call.signal;
      return greeter(call, params);
    },
  });
  const aborted = () => Object.keys(signals).filter((id) => signals[id]?.aborted);
  const open = (id: string, subject = 'alice') => meanwhile(t, send(stage, { subject, params: { arguments: { id } } }));
  const go = (id: string, requestState: string, subject = 'alice') =>
    meanwhile(
      t,
      send(stage, answers(requestState, { 'request-1': accepted('Ann') }, { subject, params: { arguments: { id } } })),
    );

  const [a, b] = [await open('a'), await open('b')];
  await open('c');
  assert.deepEqual(aborted(), ['a'], 'the oldest of its own subject makes room');
  await assert.rejects(go('a', a.requestState), refused('request-state'));
  const d = await open('d', 'bob');
  await assert.rejects(open('e', 'carol'), refused('overload'));
  assert.deepEqual(aborted(), ['a', 'e'], 'no other subject’s does');
  await go('b', b.requestState);
  const f = await open('f', 'carol');
  t.mock.timers.tick(1_000_000);
  assert.deepEqual(aborted(), ['a', 'c', 'd', 'e', 'f']);
  await assert.rejects(go('d', d.requestState, 'bob'), refused('request-state'));
  await assert.rejects(go('f', f.requestState, 'carol'), refused('request-state'));
});

test('notifications go to whoever waits now, under that request’s own progress token', async () => {
  const progress = (token: unknown) =>
    JSON.stringify({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken: token, progress: 1 },
    });
  let upstream: UpstreamCall | undefined;
  const stage = stageWith({
    server: async (call) => {
      upstream = call;
      call.notify(progress('one'));
      await call.ask(elicit());
      call.notify(progress('one'));
      return text('done');
    },
  });
  const meta = (progressToken: unknown) => ({ params: { _meta: { progressToken } } });
  const first = request(modern(meta('one')));
  const { requestState } = answerOf(await stage.execute(first.call, first.caller));
  upstream?.notify(progress('one'));
  assert.deepEqual(first.notifications, [progress('one')], 'nobody is told while nobody waits');
  const second = request(modern(answers(requestState, { 'request-1': accepted('Ann') }, meta(2))));
  await stage.execute(second.call, second.caller);
  assert.deepEqual(second.notifications, [progress(2)]);
  assert.equal(first.notifications.length, 1);
});

test('a call that ends while nobody waits is told to whoever comes back', async () => {
  let end: ((answer: RpcAnswer) => void) | undefined;
  const stage = stageWith({
    server: (call) => {
      void call.ask(elicit());
      return new Promise((resolve) => {
        end = resolve;
      });
    },
  });
  const { requestState } = await send(stage);
  end?.(text('gave up'));
  const last = await send(stage, answers(requestState, { 'request-1': accepted('Ann') }));
  assert.equal(last.content[0].text, 'gave up');
});

test('no interleaving brings an answer to another call or another subject', async () => {
  // Each call has questions of its own; each subject answers with its own name and the call's. A server that hears
  // anything else says so.
  const server: Server = async (call, params) => {
    const { id, rounds } = params.arguments as { id: string; rounds: number };
    for (let round = 0; round < rounds; round++) {
      const { raw } = await call.ask(elicit({ ...FORM, message: `${id}/${round}` }));
      const heard = JSON.parse(raw).content?.name;
      if (heard !== `${JSON.parse(call.subject)[1]}:${id}/${round}`) return text(`WRONG ${id} heard ${raw}`);
    }
    return text(`right ${id}`);
  };
  const subjects = ['alice', 'bob', 'carol'] as const;
  const plan = fc.array(fc.record({ subject: fc.constantFrom(...subjects), rounds: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 2,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(plan, fc.infiniteStream(fc.nat(1000)), async (calls, luck) => {
      const stage = stageWith({ server, held: new HeldCalls({ perSubject: 8, total: 64, deadline: 60_000 }) });
      const dice = luck[Symbol.iterator]();
      const roll = (sides: number): number => (dice.next().value ?? 0) % sides;
      const open = await Promise.all(
        calls.map(async ({ subject, rounds }, index) => {
          const client = { subject, params: { arguments: { id: `call-${index}`, rounds } } };
          return { client, answer: await send(stage, client), done: false };
        }),
      );
      for (let step = 0; step < 200 && open.some(({ done }) => !done); step++) {
        const mine = open[roll(open.length)];
        const other = open[roll(open.length)];
        if (mine === undefined || other === undefined || mine.done) continue;
        const [key = '', asked] = Object.entries<{ params: { message: string } }>(mine.answer.inputRequests)[0] ?? [];
        const reply = { [key]: accepted(`${mine.client.subject}:${asked?.params.message}`) };
        if (other !== mine && roll(2) === 0) {
          // One call's answers with another's state: whoever it is, it is refused.
          const stolen = answers(other.answer.requestState ?? 'x', reply, mine.client);
          await assert.rejects(send(stage, stolen), refused('request-state'));
          continue;
        }
        mine.answer = await send(stage, answers(mine.answer.requestState, reply, mine.client));
        mine.done = mine.answer.resultType !== 'input_required';
      }
      for (const [index, { answer }] of open.entries())
        if (answer.content !== undefined) assert.equal(answer.content[0].text, `right call-${index}`);
    }),
    { numRuns: 30 },
  );
});
