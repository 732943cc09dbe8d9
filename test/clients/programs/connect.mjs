// The same client over stdio, through `innerkeep connect`; argv: the command.
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { walk } from './walk.mjs';

const [mode, command, ...args] = process.argv.slice(2);
const client = new Client(
  { name: 'stock', version: '1' },
  { versionNegotiation: { mode: mode === 'modern' ? { pin: '2026-07-28' } : mode } },
);
await client.connect(new StdioClientTransport({ command, args }));
console.log(JSON.stringify({ ...(await walk(client)), revision: client.getNegotiatedProtocolVersion() }));
await client.close();
