// @modelcontextprotocol/sdk 1.x; prints what it saw as JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { walk } from './walk.mjs';

const client = new Client({ name: 'stock', version: '1' });
const requestInit = { headers: { Authorization: `Bearer ${process.env.TOKEN}` } };
const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP), { requestInit });
await client.connect(transport);
console.log(JSON.stringify({ ...(await walk(client)), revision: transport.protocolVersion }));
await client.close();
