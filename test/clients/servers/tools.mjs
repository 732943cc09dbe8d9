// What all servers here can do, in either era: `peer` is the client as the tool's own request knows it.
const string = { type: 'string', maxLength: 200 };
const tool = (name, description, properties = {}) => ({
  name,
  description,
  inputSchema: { type: 'object', properties, required: Object.keys(properties) },
});

export const tools = [
  tool('echo', 'Says it again', { text: string }),
  tool('deploy', 'Builds, asks for approval, deploys', { to: string }),
  tool('summarise', 'Lets the model of the client summarise', { text: string }),
  tool('where', 'Tells the roots of the client'),
];

const scripts = {
  echo: ({ text }) => text,
  async deploy({ to }, peer) {
    peer.progress(1, 'built');
    peer.progress(2, 'tested');
    const { action, content } = await peer.ask('elicitation/create', {
      mode: 'form',
      message: `Deploy to ${to}?`,
      requestedSchema: {
        type: 'object',
        properties: { approve: { type: 'boolean' }, note: { type: 'string', maxLength: 40 } },
        required: ['approve'],
      },
    });
    peer.progress(3, 'done');
    return action === 'accept' ? `deployed to ${to}: ${JSON.stringify(content)}` : `not deployed: ${action}`;
  },
  async summarise({ text }, peer) {
    const { role, content } = await peer.ask('sampling/createMessage', {
      messages: [{ role: 'user', content: { type: 'text', text } }],
      maxTokens: 50,
    });
    return `${role}: ${content.text}`;
  },
  async where(_, peer) {
    const { roots } = await peer.ask('roots/list', {});
    return roots.map(({ uri }) => uri).join(' ');
  },
};

/** The result of one tool; undefined: there is no such tool. */
export async function run({ name, arguments: given = {} }, peer) {
  if (!Object.hasOwn(scripts, name)) return undefined;
  return { content: [{ type: 'text', text: await scripts[name](given, peer) }] };
}

export const serverInfo = { name: 'both-ways', version: '1' };
export const answer = (id, result) => ({ jsonrpc: '2.0', id, result });
export const fault = (id, code, message, data) => ({ jsonrpc: '2.0', id, error: { code, message, data } });
export const progress = (progressToken, at, message) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken, progress: at, total: 3, message },
});
