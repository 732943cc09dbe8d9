// An MCP server whose one tool tries to reach a host from inside of its sandbox.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const reach = (host, port) =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(1000, () => socket.destroy(Object.assign(new Error(), { code: 'SILENT' })));
    socket.on('connect', () => resolve('open'));
    socket.on('error', ({ code }) => resolve(code));
  });
const answers = {
  initialize: () => ({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'reach', version: '1' },
  }),
  'tools/list': () => ({
    tools: [
      {
        name: 'reach',
        inputSchema: {
          type: 'object',
          properties: { host: { type: 'string' }, ports: { type: 'array', items: { type: 'integer' } } },
        },
      },
    ],
  }),
  'tools/call': async ({ arguments: { host, ports } }) => ({
    content: [{ type: 'text', text: (await Promise.all(ports.map((port) => reach(host, port)))).join(' ') }],
  }),
};
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const outcome = answer ? { result: await answer(params) } : { error: { code: -32601, message: 'no such method' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...outcome })}\n`);
});
