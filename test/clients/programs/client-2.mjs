// @modelcontextprotocol/client 2.x: argv MODE (legacy | auto | modern); prints what it saw as JSON.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { walk } from './walk.mjs';

const mode = process.argv[2] === 'modern' ? { pin: '2026-07-28' } : process.argv[2];
const client = new Client({ name: 'stock', version: '1' }, { versionNegotiation: { mode } });
const requestInit = { headers: { Authorization: `Bearer ${process.env.TOKEN}` } };
await client.connect(new StreamableHTTPClientTransport(new URL(process.env.MCP), { requestInit }));
console.log(JSON.stringify({ ...(await walk(client)), revision: client.getNegotiatedProtocolVersion() }));
await client.close();
