import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** What the suite hands to a client for the scenarios that need it (`MCP_CONFORMANCE_CONTEXT`). */
interface Context {
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }[];
}

type Walk = (client: Client, context: Context) => Promise<unknown>;

/** What a client does in a scenario of either revision; the suite judges by what its server then sees. */
const both: Readonly<Record<string, Walk>> = {
  tools_call: (client) => call(client, 'add_numbers', { a: 5, b: 3 }),
  async 'json-schema-2020-12-preservation'(client) {
    const { tools } = await client.listTools();
    const schema = tools.find(({ name }) => name === 'json_schema_2020_12_tool')?.inputSchema;
    await call(client, 'json_schema_echo', { schema });
  },
};

const legacy: Readonly<Record<string, Walk>> = {
  ...both,
  'elicitation-sep1034-client-defaults': (client) => call(client, 'test_client_elicitation_defaults'),
  'sse-retry': (client) => call(client, 'test_reconnection'),
};

const modern: Readonly<Record<string, Walk>> = {
  ...both,
  'json-schema-ref-no-deref': (client) => client.listTools(),

  async 'sep-2322-client-request-state'(client) {
    const echo = call(client, 'test_mrtr_echo_state');
    await call(client, 'test_mrtr_unrelated');
    await echo;
    await call(client, 'test_mrtr_no_state');
    await call(client, 'test_mrtr_no_result_type');
  },

  async 'http-standard-headers'(client) {
    for (const { name } of (await client.listTools()).tools) await call(client, name);
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
  },

  async 'http-custom-headers'(client, { toolCalls = [] }) {
    await client.listTools();
    // A null is not what these schemas take, and the gateway holds callers to them; leaving the member out is the other
    // form of the same thing ("null or not provided").
    const given = (args: object) => Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
    for (const { name, arguments: args } of toolCalls) await call(client, name, given(args));
  },

  async 'http-invalid-tool-headers'(client) {
    const samples: Record<string, unknown> = { string: 'text', number: 1, array: ['text'], object: {}, null: null };
    for (const { name, inputSchema } of (await client.listTools()).tools) {
      const properties = Object.entries(inputSchema.properties ?? {});
      const args = properties.map(([key, schema]) => [key, samples[String((schema as { type?: unknown }).type)]]);
      await call(client, name, Object.fromEntries(args));
    }
  },
};

/** The request that opens a conversation, to servers that have nothing but their answer to it. */
const openings: Readonly<
  Record<string, { readonly method: string; readonly headers: object; readonly params: object }>
> = {
  initialize: {
    method: 'initialize',
    headers: {},
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'stock', version: '1' } },
  },
  'request-metadata': {
    method: 'server/discover',
    headers: { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'server/discover' },
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  },
};

/** The scenarios of a revision that a client can walk through without OAuth. */
export function walksOf(revision: string): readonly string[] {
  if (revision === '2026-07-28') return ['request-metadata', ...Object.keys(modern)];
  return ['initialize', ...Object.keys(legacy)];
}

/** A stock client that does what `scenario` is about, against the server at `url`. */
export async function drive(scenario: string, revision: string, url: string, context: Context): Promise<void> {
  if (openings[scenario] !== undefined) return showsNothing(url, openings[scenario]);
  const mode = revision === '2026-07-28' ? { pin: revision } : ('legacy' as const);
  const client = new Client(
    { name: 'stock', version: '1' },
    { capabilities: { elicitation: { form: { applyDefaults: true } } }, versionNegotiation: { mode } },
  );
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: {} }));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  try {
    await { ...legacy, ...modern }[scenario]?.(client, context);
  } finally {
    await client.close();
  }
}

async function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<void> {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.content)}`);
}

/**
 * A server in which there is nothing to see answers like one that does not exist, so no client gets to talk to it;
 * what the suite's server sees of the gateway is how it was reviewed.
 */
async function showsNothing(url: string, { method, headers, params }: (typeof openings)[string]): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const text = await answer.text();
  if (!text.includes('"code":-32602')) throw new Error(`${method}: HTTP ${answer.status} ${text}`);
}
