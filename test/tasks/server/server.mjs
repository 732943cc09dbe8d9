// A server of 2025-11-25 on stdio: `hold` never ends, `ask` asks a form, `say` answers, `alone` is a task of its own.
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const said = (text, more = {}) => ({ content: [{ type: 'text', text }], ...more });
const tool = (name, taskSupport, properties = {}) => ({
  name,
  inputSchema: { type: 'object', properties },
  ...(taskSupport && { execution: { taskSupport } }),
});
const tools = [
  tool('say', 'optional', { text: { type: 'string' }, bytes: { type: 'integer' }, fails: { type: 'boolean' } }),
  tool('hold', 'optional'),
  tool('ask', 'optional'),
  tool('crash', 'optional'),
  tool('plain', undefined),
  tool('never', 'forbidden'),
  tool('alone', 'required'),
];
let asked;
const OWN_TASK = 'task-of-the-server';

const calls = {
  say({ id, params }) {
    const { text = '', bytes = 0, fails = false } = params.arguments;
    const _meta = { kept: true, 'io.modelcontextprotocol/related-task': { taskId: 'planted' } };
    send({
      id,
      result: said(`${text}${'x'.repeat(bytes)} ${JSON.stringify(params)}`, { _meta, ...(fails && { isError: true }) }),
    });
  },
  hold: ({ params }) =>
    send({ method: 'notifications/progress', params: { progressToken: params._meta?.progressToken, progress: 1 } }),
  ask({ id }) {
    asked = id;
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
    send({ id: 'q-1', method: 'elicitation/create', params: { mode: 'form', message: 'Your name?', requestedSchema } });
  },
  crash: () => process.exit(3),
  alone({ id, params }) {
    const [createdAt, ttl] = [new Date().toISOString(), null];
    const task = { taskId: OWN_TASK, status: 'working', createdAt, lastUpdatedAt: createdAt, ttl, pollInterval: 50 };
    send(
      params.task === undefined
        ? { id, error: { code: -32601, message: 'Method not found' } }
        : { id, result: { task } },
    );
  },
  plain: ({ id, params }) => send({ id, result: said(JSON.stringify(params)) }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  const { id, method, params } = message;
  if (method === undefined) {
    send({ id: asked, result: said(JSON.stringify(message.result ?? { error: message.error.code })) });
  } else if (id === undefined) return;
  else if (method === 'initialize') {
    const serverInfo = { name: 'worker', version: '1' };
    send({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } });
  } else if (method === 'tools/list') send({ id, result: { tools } });
  else if (method === 'tasks/result')
    send({ id, result: said('alone', { _meta: { 'io.modelcontextprotocol/related-task': params } }) });
  else if (method === 'tools/call' && Object.hasOwn(calls, params.name)) calls[params.name](message);
  else send({ id, error: { code: -32601, message: 'Method not found' } });
});
