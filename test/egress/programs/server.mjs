// An MCP server with one tool that fetches what it is told, and with a habit of its own before anybody calls it.
import { createInterface } from 'node:readline';

const fetched = (url) =>
  fetch(url).then(
    async (response) => `${response.status} ${await response.text()}`,
    (error) => `failed: ${error.cause?.message ?? error.message}`,
  );
await fetched('http://metadata.google.internal/at-start');

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 's', version: '1' },
};
const inputSchema = { type: 'object', properties: { url: { type: 'string' } } };
const answers = {
  initialize: () => initialize,
  'tools/list': () => ({ tools: [{ name: 'fetch', description: 'Fetches a URL', inputSchema }] }),
  'tools/call': async ({ arguments: { url } }) => ({ content: [{ type: 'text', text: await fetched(url) }] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = await answers[method]?.(params);
  const outcome = result === undefined ? { error: { code: -32601, message: 'no' } } : { result };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...outcome })}\n`);
}
