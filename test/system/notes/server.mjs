// A server that remembers what it was told last.
import { createInterface } from 'node:readline';

let note = 'nothing';
const inputSchema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
const answers = {
  initialize: () => ({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'notes', version: '1' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [{ name: 'note', description: 'Gives back what it was told before.', inputSchema }] }),
  'tools/call': ({ arguments: { text } }) => {
    if (text === 'exit') process.exit(1);
    const before = note;
    if (text !== 'read') note = text;
    return { content: [{ type: 'text', text: before }] };
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const body = answer ? { result: answer(params) } : { error: { code: -32601, message: 'Method not found' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`);
});
