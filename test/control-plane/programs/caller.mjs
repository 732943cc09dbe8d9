// One tools/call over HTTPS, from where this runs: URL, CA file, token, name, arguments.
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

const [url, ca, token, name, args] = process.argv.slice(2);
const headers = {
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
  host: `localhost:${new URL(url).port}`,
};
const sent = request(
  url,
  { method: 'POST', ca: readFileSync(ca), servername: 'localhost', headers },
  async (answer) => {
    let text = '';
    for await (const chunk of answer) text += chunk;
    console.log(JSON.stringify({ status: answer.statusCode, ...(text.startsWith('{') && JSON.parse(text)) }));
  },
);
sent.on('error', ({ code }) => console.log(JSON.stringify({ status: code })));
sent.end(
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: JSON.parse(args) } }),
);
