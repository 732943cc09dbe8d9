import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Agent, fetch as undiciFetch } from 'undici';
import type { Known } from '../../src/contract/tool-call.ts';
import { type Bench, openBench } from '../edge/bench.ts';

const results: Record<string, (call: Known) => object> = {
  'tools/call': ({ target }) => ({ content: [{ type: 'text', text: String(target.pin?.name) }] }),
  'prompts/get': () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'hello' } }] }),
  'resources/list': () => ({ resources: [{ uri: 'note:///1', name: 'one' }] }),
  'resources/read': ({ target }) => ({ contents: [{ uri: target.params.uri, text: 'text' }] }),
  'completion/complete': () => ({ completion: { values: ['a'] } }),
};

let bench: Bench;
let agent: Agent;
before(async () => {
  bench = await openBench({ execute: (call) => JSON.stringify(results[call.target.method]?.(call)) });
  agent = new Agent({ connect: { ca: bench.identity.cert } });
});
after(async () => {
  await agent.close();
  await bench.close();
});

function transportOptions() {
  const trusting = (url: unknown, init: unknown) =>
    undiciFetch(String(url), { ...(init as object), dispatcher: agent } as Parameters<typeof undiciFetch>[1]);
  return { fetch: trusting as unknown as typeof fetch, requestInit: { headers: { authorization: 'Bearer good' } } };
}

const url = (path: string) => new URL(`https://localhost:${bench.port}${path}`);

/** All that a user does, through one client. */
async function use(client: Client | LegacyClient): Promise<unknown> {
  const any = client as Client;
  const tools = await any.listTools();
  const called = await any.callTool({ name: 'files__read', arguments: {} });
  const prompts = await any.listPrompts();
  const prompt = await any.getPrompt({ name: 'files__greet' });
  const resources = await any.listResources();
  const templates = await any.listResourceTemplates();
  const read = await any.readResource({ uri: 'files+note:///1' });
  const completed = await any.complete({
    ref: { type: 'ref/prompt', name: 'files__greet' },
    argument: { name: 'who', value: '' },
  });
  await assert.rejects(any.callTool({ name: 'files__absent' }), /Unknown tool/);
  await any.close();
  return {
    tools: tools.tools.map(({ name }) => name),
    called: called.content,
    prompts: prompts.prompts.map(({ name }) => name),
    prompt: prompt.messages.length,
    resources: resources.resources.map(({ uri }) => uri),
    templates: templates.resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: read.contents.map(({ uri }) => uri),
    completed: completed.completion.values,
  };
}

const expected = {
  tools: ['files__read', 'files__write', 'notes__read'],
  called: [{ type: 'text', text: 'read' }],
  prompts: ['files__greet', 'notes__greet'],
  prompt: 1,
  templates: ['files+note:///{id}', 'notes+note:///{id}'],
  read: ['files+note:///1'],
  completed: ['a'],
};

for (const mode of ['legacy', 'auto', { pin: '2026-07-28' }] as const) {
  test(`the stock client 2.x works in ${JSON.stringify(mode)} mode`, async () => {
    const client = new Client({ name: 'stock', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(url('/mcp'), transportOptions()));
    const { resources, ...rest } = (await use(client)) as { resources: string[] };
    assert.deepEqual(rest, expected);
    assert.equal(resources[0], 'files+note:///1');
  });
}

test('the stock client of SDK 1.32 works', async () => {
  const client = new LegacyClient({ name: 'stock', version: '1' });
  await client.connect(new LegacyTransport(url('/mcp'), transportOptions()) as Parameters<LegacyClient['connect']>[0]);
  const { resources, ...rest } = (await use(client)) as { resources: string[] };
  assert.deepEqual(rest, expected);
  assert.equal(resources[0], 'files+note:///1');
});
