// A small MCP server over stdio whose manners are chosen by its first argument; without one it behaves.
import { appendFileSync, closeSync, existsSync, writeFileSync } from 'node:fs';

const [manners = 'good', file = ''] = process.argv.slice(2);
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const flood = (stream, chunk) => {
  const more = () => {
    while (stream.write(chunk));
    stream.once('drain', more);
  };
  more();
};
let remembered = 'nothing';

const calls = {
  good: (id, { arguments: given }) => send({ id, result: text(given?.echo ?? '') }),
  remembers: (id, { arguments: given }) => {
    send({ id, result: text(remembered) });
    remembered = given.echo;
  },
  silent: () => {},
  garbage: () => process.stdout.write('Segmentation fault, honest\n'),
  'stderr-flood': (id) => {
    flood(process.stderr, 'e'.repeat(65536));
    setTimeout(() => send({ id, result: text('still here') }), 50);
  },
  'exits-half-way': () => process.stdout.write('{"jsonrpc":"2.0","id":', () => process.exit(7)),
  'closes-output': () => closeSync(1),
  'answers-twice': (id) => {
    send({ id, result: text('first') });
    send({ id, result: text('second') });
  },
  'wrong-id': (id) => send({ id: id + 1, result: text('for somebody else') }),
  'string-id': (id) => send({ id: String(id), result: text('almost') }),
  giant: (id) => send({ id, result: text('x'.repeat(200_000)) }),
  'stdout-flood': () => flood(process.stdout, 'x'.repeat(65536)),
  'notification-flood': () =>
    flood(process.stdout, '{"jsonrpc":"2.0","method":"notifications/message","params":{}}\n'.repeat(100)),
  'duplicate-key': (id) => process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"a":1,"a":2}}\n`),
  both: (id) => send({ id, result: {}, error: { code: 1, message: 'and yet' } }),
  batch: (id) => process.stdout.write(`[{"jsonrpc":"2.0","id":${id},"result":{}}]\n`),
  error: (id) => send({ id, error: { code: -32050, message: 'password is hunter2' } }),
  'bad-error': (id) => send({ id, error: 'no' }),
  missing: (id) => send({ id, error: { code: -32002, message: 'no such thing' } }),
  'invalid-params': (id) => send({ id, error: { code: -32602, message: 'no such thing' } }),
  raw: (id) => process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(text(lastLine))}}\n`),
};
let lastLine = '';

const tools = Array.from({ length: 5 }, (_, at) => ({ name: `tool${at}`, inputSchema: { type: 'object' } }));

function receive(message) {
  const { id, method, params } = message;
  if (method === 'initialize') initialize(id);
  else if (method === 'ping') send({ id, result: {} });
  else if (method === 'server/discover') send({ id, error: { code: -32601, message: 'Method not found' } });
  else if (method === 'tools/list') {
    const page = Number(params.cursor ?? 0);
    if (manners === 'endless-list') send({ id, result: { tools: [], nextCursor: `${page + 1}` } });
    else {
      // Written by hand, so that the bytes differ from what a re-emitted model would have.
      const raw = tools
        .slice(page, page + 2)
        .map((tool) => ` {"name" : "${tool.name}","x":1.0, "inputSchema":{"type":"object"}}`);
      const next = page + 2 < tools.length ? `,"nextCursor":"${page + 2}"` : '';
      process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"tools":[${raw}]${next}}}\n`);
    }
  } else if (method === 'prompts/list') send({ id, result: { prompts: [{ name: 'hello' }] } });
  else if (method === 'resources/templates/list') send({ id, error: { code: -32601, message: 'Method not found' } });
  else if (id !== undefined) (calls[manners] ?? calls.good)(id, params);
}

function initialize(id) {
  const result = {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, prompts: {}, resources: {} },
    serverInfo: { name: manners, version: '1' },
  };
  if (manners === 'ancient') send({ id, result: { ...result, protocolVersion: '1999-01-01' } });
  else if (manners === 'slow-handshake') setTimeout(() => send({ id, result }), 1500);
  else if (manners === 'no-handshake') return;
  else if (manners === 'dies-idle') {
    send({ id, result });
    setTimeout(() => process.exit(3), 20);
  } else send({ id, result });
}

if (file) appendFileSync(file, 'started\n');
if (manners === 'crashes') {
  console.error('cannot find module left-pad');
  process.exit(1);
}
if (manners === 'crashes-once' && !existsSync(`${file}.once`)) {
  writeFileSync(`${file}.once`, '');
  process.exit(1);
}

let buffered = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => {
  buffered += chunk;
  for (let end = buffered.indexOf('\n'); end !== -1; end = buffered.indexOf('\n')) {
    lastLine = buffered.slice(0, end);
    buffered = buffered.slice(end + 1);
    receive(JSON.parse(lastLine));
  }
});
process.stdin.on('end', () => process.exit(0));
