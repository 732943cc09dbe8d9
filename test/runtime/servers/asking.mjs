// A server of 2025-11-25 that asks its client in mid-call; the first argument says how.
import { initialized, send, serve, text } from './wire.mjs';

const [manners] = process.argv.slice(2);
const ask = (id, params = {}, method = 'elicitation/create') => send({ id, method, params });
let call;
const heard = [];
const done = (value) => send({ id: call, result: text(value) });

const calls = {
  once: () => ask('first', { message: 'who?' }),
  three: () => [1, 2, 3].forEach((id) => void ask(id, { n: id })),
  pings: () => send({ id: 'p', method: 'ping' }),
  'raw-id': () => process.stdout.write('{"jsonrpc":"2.0","id":1.50e1 ,"method":"roots/list"}\n'),
  'both-ids': () => {
    ask(1);
    ask('1');
  },
  notifies: () => {
    for (const method of ['progress', 'message', 'tools/list_changed', 'made/up'])
      process.stdout.write(`{"jsonrpc":"2.0", "method":"notifications/${method}","params":{"level" : 1.0}}\n`);
    done('told');
  },
  'endlessly-after-answers': () => ask(0),
  'ten-thousand': () => {
    for (let id = 0; id < 10_000; id++) ask(id);
  },
  'pings-endlessly': () => {
    for (let id = 0; id <= 1000; id++) send({ id, method: 'ping' });
  },
  huge: () => ask(1, { message: 'x'.repeat(200_000) }),
  'long-method': () => ask(1, {}, 'x'.repeat(70_000)),
  'array-params': () => ask(1, []),
  'asks-and-exits': () => {
    ask(1);
    setTimeout(() => process.exit(4), 50);
  },
  'answers-while-asking': () => {
    ask(1);
    done('never mind');
  },
  'reuses-an-id': () => {
    ask(1);
    ask(1);
  },
  'reuses-an-answered-id': () => ask(1),
  'responds-to-nothing': () => send({ id: 99, result: {} }),
  'forgets-to-answer': () => ask(1),
  cancels: () => {
    ask('x');
    send({ method: 'notifications/cancelled', params: { requestId: 'x' } });
    ask('y');
  },
};

const responses = {
  'endlessly-after-answers': (id) => ask(id + 1),
  'reuses-an-answered-id': () => ask(1),
  'forgets-to-answer': () => {},
  cancels: () => done(heard),
};

serve((message, line) => {
  const { id, method } = message;
  if (method === 'initialize') initialized(id, { tools: {} }, manners);
  else if (method === 'notifications/initialized') ask('early', {}, 'roots/list');
  else if (method === 'ping') send({ id, result: {} });
  else if (method === 'tools/call') {
    call = id;
    calls[manners]();
  } else if (method !== undefined && id !== undefined)
    send({ id, error: { code: -32601, message: 'Method not found' } });
  else if (method === undefined && id !== 'early') {
    heard.push(line);
    const respond =
      responses[manners] ??
      (() => heard.length === (manners === 'three' ? 3 : manners === 'both-ids' ? 2 : 1) && done(heard));
    respond(id);
  }
});
