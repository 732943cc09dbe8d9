import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { post, type Reply } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

const TIMED = { timeout: 300_000 };
const GIB = 2 ** 30;
const BUDGET = 6 * 2 ** 20;
/** What the reader of 2 MB of garbage gets (A8); numbered, so that a missing or doubled line shows. */
const garbage = Array.from({ length: 50_000 }, (_, line) => `line ${line}: ${'g'.repeat(28)}\n`).join('');

/** How much of its gibibyte each hose got rid of. */
const poured: Record<string, number> = {};

/** A remote server that gives a lot: within its bound, or without an end, as JSON or as an event stream. */
const remote = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  const called = method === 'tools/call' ? params.name : '';
  const head = `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"`;
  if (called === 'json') return pour(response, called, 'application/json', head, 'x'.repeat(1 << 20));
  if (called === 'event') return pour(response, called, 'text/event-stream', `data: ${head}`, 'x'.repeat(1 << 20));
  if (called === 'events') return pour(response, called, 'text/event-stream', '', `: ${'x'.repeat(65_536)}\n\n`);
  const names = ['much', 'json', 'event', 'events'];
  const inputSchema = { type: 'object', properties: {} };
  const answers: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'srv', version: '1' },
    },
    'tools/list': { tools: names.map((name) => ({ name, inputSchema })) },
    'tools/call': { content: [{ type: 'text', text: garbage }] },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  const unknown = { error: { code: -32601, message: 'no such method' } };
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(method in answers ? { result: answers[method] } : unknown) }));
});

async function pour(response: ServerResponse, name: string, type: string, head: string, text: string): Promise<void> {
  response.writeHead(200, { 'content-type': type });
  response.write(head);
  poured[name] = 0;
  const gone = once(response, 'close');
  while (!response.closed && (poured[name] ?? 0) < GIB) {
    poured[name] = (poured[name] ?? 0) + text.length;
    if (!response.write(text)) await Promise.race([once(response, 'drain'), gone]);
  }
  response.end();
}

const permits = (...tools: string[]) => `permit (
  principal in Tenant::"acme",
  action in [${tools.map((tool) => `Action::"${tool}"`).join(', ')}],
  resource == Tenant::"acme"
);
`;
const remoteTools = ['srv/much', 'srv/json', 'srv/event', 'srv/events'];
let workspace: Workspace;
let product: Product;
let token: string;
before(async () => {
  remote.listen(0, '127.0.0.1');
  await once(remote, 'listening');
  const address = remote.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 10000/min, burst: 1000 }, context: { bytes: 6MiB } }
redaction: { rules: { acme-key: { template: "acme_live_{mixed:24}" } } }
servers:
  hose:
    root: ./hose
    command: [node, server.mjs]
    sandbox: { memory: 192MiB, deadline: 20s }
`,
    'policies/hose.cedar': permits('hose/line', 'hose/messages', 'hose/little'),
    'policies/srv.cedar': permits(...remoteTools),
  });
  cpSync(join(import.meta.dirname, 'hose'), join(workspace.dir, 'hose'), { recursive: true });
  await workspace.must('add', './hose', '--name', 'hose', '--yes', '--', 'node', 'server.mjs');
  await workspace.must('add', url, '--name', 'srv', '--yes');
  product = await workspace.up();
  token = await product.token();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
  remote.close();
  remote.closeAllConnections();
});

const MODERN = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

interface Way {
  readonly modern?: boolean;
  readonly server?: string;
  readonly as?: string;
  readonly session?: string | undefined;
}

function ask(method: string, params: { name?: string; uri?: string }, way: Way = {}): Promise<Reply> {
  const { modern = false, server, as = token, session } = way;
  const whole = { ...params, ...(modern && { _meta: MODERN }), ...(method === 'tools/call' && { arguments: {} }) };
  const headers = {
    ...(modern && {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(Object.keys(params).length > 0 && { 'mcp-name': params.name ?? params.uri ?? '' }),
    }),
    ...(session !== undefined && { 'mcp-session-id': session }),
  };
  const path = server === undefined ? '/mcp' : `/mcp/${server}`;
  return post(product, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: whole }), { token: as, path, headers });
}
const much = (way: Way = {}) => ask('tools/call', { name: way.server === undefined ? 'srv__much' : 'much' }, way);
const read = (uri: string, way: Way = {}) => ask('resources/read', { uri }, way);

test(
  '2 MB of garbage are cut, and readable to their end, in both eras, at both kinds of endpoints (A8)',
  TIMED,
  async () => {
    verifies('output.size');
    const single = await product.token('--audience', new URL('/mcp/srv', product.ready.mcp).href);
    for (const way of [{}, { server: 'srv', modern: true, as: single }]) {
      const answer = await much(way);
      assert.ok(answer.text.length <= 513 * 1024, `${answer.text.length}`);
      const [first, , link] = answer.json.result.content;
      let [text, next] = [first.text, link.uri];
      while (next !== undefined) {
        const piece = (await read(next, way)).json.result;
        next = piece._meta['innerkeep/rest'].next;
        text += piece.contents[0].text;
      }
      assert.equal(text, garbage);
    }
    const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '400', '--json'));
    const cut = records.find((record: { cut?: number }) => record.cut !== undefined);
    assert.deepEqual([cut.event, cut.action, cut.cut > 1_000_000], ['outcome', 'srv/much', true]);
    const [piece] = records.filter(
      ({ method, event }: Record<string, string>) => method === 'resources/read' && event === 'answer',
    );
    assert.deepEqual([piece.action, piece.subject], ['srv/much', 'alice']);
  },
);

test(
  'refuses a rest to another subject, another session and another endpoint, alike to what is not there',
  TIMED,
  async () => {
    verifies('output.size');
    const opened = await post(
      product,
      JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      }),
      { token },
    );
    assert.ok(opened.json.result.capabilities.resources, 'a client has to know that it can read');
    const session = String(opened.headers['mcp-session-id']);
    const { uri } = (await much({ session })).json.result.content[2];
    assert.ok((await read(uri, { session })).json.result);
    const other = await product.token('--subject', 'mallory', '--tenant', 'acme');
    const missing = await read(uri.replace(/.{8}\/1$/, 'AAAAAAAA/1'), { session });
    const told = ({ json: { error } }: Reply) => [error.code, error.message, Object.keys(error.data)];
    for (const reply of [await read(uri, { as: other }), await read(uri), await read(uri, { modern: true })])
      assert.deepEqual(told(reply).slice(1), told(missing).slice(1), reply.text);
  },
);

test('a secret of the operator’s own kind is in no answer, not even in what was pinned', TIMED, async () => {
  verifies('output.secrets');
  assert.equal(
    (await ask('tools/call', { name: 'hose__little' })).json.result.content[0].text,
    'a little [redacted:acme-key]',
  );
  const audience = new URL('/mcp/hose', product.ready.mcp).href;
  const discovered = await ask(
    'server/discover',
    {},
    { modern: true, server: 'hose', as: await product.token('--audience', audience) },
  );
  assert.equal(discovered.json.result.instructions, 'Call it with [redacted:acme-key].');
});

test('a server that pours a gibibyte is cut off, and costs neither zone memory', TIMED, async () => {
  verifies('output.size');
  await ask('tools/call', { name: 'hose__little' });
  const start = peaks();
  for (const [tool, reason] of [
    ['srv__json', 'size'],
    ['srv__event', 'size'],
    ['srv__events', 'size'],
    ['hose__line', 'size'],
    ['hose__messages', 'size'],
  ] as const) {
    const { json } = await ask('tools/call', { name: tool });
    assert.equal(json.error?.data.reason, reason, `${tool}: ${JSON.stringify(json)}`);
    for (const [zone, peak] of Object.entries(peaks()))
      assert.ok(peak - (start[zone] ?? 0) < GIB / 8, `${tool}: ${zone} grew to ${peak} from ${start[zone]}`);
  }
  for (const [name, bytes] of Object.entries(poured)) assert.ok(bytes < GIB / 8, `${name} got rid of ${bytes}`);
  assert.equal(
    (await ask('tools/call', { name: 'hose__little' })).json.result.content[0].text,
    'a little [redacted:acme-key]',
  );
});

/** The most memory that each zone has ever had, in bytes, as the kernel counts it. */
function peaks(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const file of globSync('/proc/[0-9]*/cmdline')) {
    try {
      const [zone] = /zone-(?:gateway|runtime)/.exec(readFileSync(file, 'utf8')) ?? [];
      const status = readFileSync(file.replace('cmdline', 'status'), 'utf8');
      const isOurs = readFileSync(file.replace('cmdline', 'environ'), 'utf8') !== '' && isBelow(status);
      if (zone !== undefined && isOurs) found[zone] = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  assert.deepEqual(Object.keys(found).sort(), ['zone-gateway', 'zone-runtime']);
  return found;
}

/** A process that our product started, or one of its own did. */
function isBelow(status: string): boolean {
  const parent = Number(/PPid:\s+(\d+)/.exec(status)?.[1]);
  if (parent === product.pid) return true;
  return parent > 1 && isBelow(readFileSync(`/proc/${parent}/status`, 'utf8'));
}

/** Of its result, in bytes. */
const sizeOf = ({ json: { result } }: Reply): number =>
  result === undefined ? 0 : Buffer.byteLength(JSON.stringify(result));

test('gives nobody more than the budget of bytes: then a call is refused before it is made', TIMED, async () => {
  verifies('output.size');
  const bob = await product.token('--subject', 'bob', '--tenant', 'acme');
  const first = await much({ as: bob });
  let given = sizeOf(first);
  for (let piece = first; piece.json.error === undefined; given += sizeOf(piece)) {
    assert.ok(given <= BUDGET, `${given}`);
    piece = await read(first.json.result.content[2].uri, { as: bob });
  }
  const last = await much({ as: bob });
  given += sizeOf(last);
  assert.ok(last.json.result && given > BUDGET * 0.9 && given <= BUDGET, `${given}`);
  const refused = await much({ as: bob });
  assert.deepEqual([refused.status, refused.json.error.data.reason], [429, 'rate']);
  assert.ok(Number(refused.headers['retry-after']) > 1000);
  const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '20', '--json'));
  const record = records.filter(({ event }: { event: string }) => event === 'refusal').at(-1);
  assert.equal(record.code, 'rate');
});

test('refuses the rest while the operator has stopped the tool, and once a push takes it away', TIMED, async () => {
  verifies('output.size', 'authz.default-deny');
  const { uri } = (await much()).json.result.content[2];
  await workspace.must('stop', '--tool', 'srv/much');
  assert.equal((await read(uri)).json.error.message, 'Resource not found');
  await workspace.must('resume', '--tool', 'srv/much');
  assert.ok((await read(uri)).json.result);
  rmSync(join(workspace.dir, 'policies/srv.cedar'));
  await workspace.must('policy', 'push');
  assert.equal((await read(uri)).json.error.message, 'Resource not found');
});
