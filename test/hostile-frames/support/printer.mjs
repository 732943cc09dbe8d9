// A stdio server that prints whatever bytes it is told to, and then, as if nothing had been, a proper answer.
import { createInterface } from 'node:readline';

const answers = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'printer', version: '1' },
  },
  'tools/list': {
    tools: [
      {
        name: 'print',
        inputSchema: {
          type: 'object',
          properties: {
            before: { type: 'string' },
            base64: { type: 'string' },
            after: { type: 'string' },
            times: { type: 'integer' },
          },
        },
      },
    ],
  },
  'tools/call': { content: [{ type: 'text', text: 'proper' }] },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (method === 'tools/call') {
    const { before = '', base64 = '', after = '', times = 1 } = params.arguments;
    for (let time = 0; time < times; time++)
      process.stdout.write(
        Buffer.concat([Buffer.from(before.replace('ID', id)), Buffer.from(base64, 'base64'), Buffer.from(after)]),
      );
  }
  const result = answers[method];
  const said = result ? { result } : { error: { code: -32601, message: 'Method not found' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...said })}\n`);
});
