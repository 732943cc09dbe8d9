// argv: legacy | modern; says its port on stdout. Loopback only, no TLS: the operator's own machine.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { legacySession } from './legacy.mjs';
import { receive } from './modern.mjs';

const modern = process.argv[2] === 'modern';
const sessions = new Map();

/** The answer becomes a stream with the first message that is not the response itself. */
function sender(response, headers = {}) {
  return (message) => {
    const last = message.method === undefined;
    if (!last || response.headersSent) {
      if (!response.headersSent) response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(message)}\n\n`);
      if (last) response.end();
    } else {
      const { code } = message.error ?? {};
      const status = !modern || code === undefined ? 200 : code === -32601 ? 404 : 400;
      response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(message));
    }
  };
}

async function legacyPost(request, message, response) {
  const opens = message.method === 'initialize';
  const id = opens ? randomUUID() : request.headers['mcp-session-id'];
  if (opens) sessions.set(id, { take: legacySession(), stream: undefined });
  const session = sessions.get(id);
  if (session === undefined) return response.writeHead(404).end();
  if (message.method === undefined || message.id === undefined) {
    await session.take(message, () => {});
    return response.writeHead(202).end();
  }
  await session.take(message, sender(response, opens ? { 'mcp-session-id': id } : {}));
}

const server = createServer(async (request, response) => {
  const id = request.headers['mcp-session-id'];
  if (request.method === 'POST') {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const message = JSON.parse(text);
    if (!modern) await legacyPost(request, message, response);
    else if (message.id === undefined) response.writeHead(202).end();
    else if (request.headers['mcp-method'] !== undefined && request.headers['mcp-method'] !== message.method)
      sender(response)({ jsonrpc: '2.0', id: message.id, error: { code: -32020, message: 'Header mismatch' } });
    else await receive(message, sender(response));
  } else if (modern) response.writeHead(405).end();
  else if (!sessions.has(id)) response.writeHead(404).end();
  else if (request.method === 'DELETE') {
    sessions.delete(id);
    response.writeHead(200).end();
  } else response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
