// The official SDKs' servers over stdio; the first argument is `legacy` or `dual`.
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const text = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

if (process.argv[2] === 'dual')
  serveStdio(({ era }) => {
    const server = new McpServer({ name: 'dual', version: '1' }, { capabilities: { tools: {} } });
    server.registerTool('era', { inputSchema: z.object({}) }, () => text(era));
    return server;
  });
else {
  const server = new LegacyServer({ name: 'legacy', version: '1' }, { capabilities: { logging: {} } });
  server.registerTool('ask', { inputSchema: {} }, async (_, { sendNotification, _meta }) => {
    const progress = { progressToken: _meta.progressToken, progress: 1 };
    await sendNotification({ method: 'notifications/progress', params: progress });
    await server.server.sendLoggingMessage({ level: 'debug', data: 'too quiet to be heard' });
    await server.server.sendLoggingMessage({ level: 'error', data: 'loud' });
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
    const answers = await Promise.all([
      server.server.elicitInput({ message: 'who?', requestedSchema }),
      server.server.createMessage({ messages: [], maxTokens: 5 }),
      server.server.listRoots(),
    ]);
    return text(answers);
  });
  await server.connect(new StdioServerTransport());
}
