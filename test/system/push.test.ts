import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { push as pushPolicies } from '../../src/cli/push.ts';
import { serverFile } from '../clients/support/clients.ts';
import { opened } from '../clients/support/flows.ts';
import { RawSocket } from '../hostile-frames/support/raw-socket.ts';
import { callText, post } from '../support/http.ts';
import { type Product, type Ran, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

const TIMED = { timeout: 300_000 };
const tool = (name: string, properties: object = {}) => ({
  name,
  inputSchema: { type: 'object', properties },
});
/** What the remote server says of itself now. */
let tools: object[] = [];
/** Calls to `hold` that wait for the test. */
const held: (() => void)[] = [];
let isHeld = (): void => undefined;
const remote = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  if (params?.name === 'hold') {
    await new Promise<void>((resolve) => {
      held.push(resolve);
      isHeld();
    });
  }
  const about = { capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } };
  const answers: Readonly<Record<string, unknown>> = {
    initialize: { protocolVersion: '2025-11-25', ...about },
    'tools/list': { tools },
    'tools/call': { content: [{ type: 'text', text: `${params?.name} done` }] },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  const unknown = { error: { code: -32601, message: 'no such method' } };
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(method in answers ? { result: answers[method] } : unknown) }));
});

const permit = (subject: string, ...names: readonly string[]): string =>
  names
    .map(
      (name) =>
        `permit (principal == User::"${subject}", action == Action::"notes/${name}", resource == Tenant::"acme");\n`,
    )
    .join('');
const alice = permit('alice', 'look', 'write', 'hold');
const bob = permit('bob', 'look', 'write');

let workspace: Workspace;
let product: Product;
let pins: string;
let config: string;
const path = (name: string): string => join(workspace.dir, name);
const files = (policy: string, lock = pins, yaml = config): void => {
  writeFileSync(path('policies/p.cedar'), policy);
  writeFileSync(path('innerkeep.lock'), lock);
  writeFileSync(path('innerkeep.yaml'), yaml);
};
const push = (): Promise<Ran> => workspace.run('policy', 'push');
/** The document of a push that must succeed. */
async function pushed(policy: string, lock = pins, yaml = config): Promise<{ changed: boolean; bundle: number }> {
  files(policy, lock, yaml);
  return JSON.parse(await workspace.must('policy', 'push', '--json'));
}
const token = (subject: string): Promise<string> => product.token('--subject', subject, '--tenant', 'acme');

before(async () => {
  remote.listen(0, '127.0.0.1');
  await once(remote, 'listening');
  const address = remote.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  tools = ['look', 'write', 'hold'].map((name) => tool(name));
  workspace = new Workspace({
    'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
    'policies/p.cedar': alice + bob,
  });
  await workspace.must('add', url, '--name', 'notes', '--yes');
  cpSync(serverFile(''), path('local'), { recursive: true });
  await workspace.must('add', './local', '--name', 'local', '--yes', '--', 'node', 'stdio.mjs', 'legacy');
  pins = readFileSync(path('innerkeep.lock'), 'utf8');
  config = readFileSync(path('innerkeep.yaml'), 'utf8');
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
  remote.close();
});
beforeEach(() => pushed(alice + bob));

/** Nothing of a refused push is in force: alice may do what she could, and only that. */
async function asBefore(bundle: number): Promise<void> {
  const mine = await token('alice');
  const look = await post(product, callText('notes__look', '{}'), { token: mine });
  assert.equal(look.json.result?.content[0].text, 'look done', look.text);
  const listed = await post(product, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { token: mine });
  assert.deepEqual(
    listed.json.result.tools.map(({ name }: { name: string }) => name),
    ['notes__look', 'notes__write', 'notes__hold'],
  );
  assert.deepEqual(await pushed(alice + bob), { changed: false, bundle });
}

const wrong = [
  ['a permit for everyone', 'permit (principal, action, resource);\n', /unconstrained|constrain/],
  ['a text that is no Cedar', 'permit (principal == User::"alice" action == );\n', /\S/],
  ['an action that no server has', permit('alice', 'lok'), /look/],
] as const;
for (const [name, text, message] of wrong)
  test(`refuses ${name}, naming file and line: exit 1, and the policies before go on`, TIMED, async () => {
    verifies('authz.no-wildcards', 'authz.default-deny');
    const { bundle } = await pushed(alice + bob);
    // Beside it something good: it must not come into force alone.
    files(`${permit('alice', 'look')}\n${text}`);
    const plain = await push();
    assert.deepEqual([plain.code, plain.stdout], [1, ''], plain.stderr);
    assert.match(plain.stderr, /policies\/p\.cedar:3:\d+: \S/);
    assert.match(plain.stderr, message);
    assert.match(plain.stderr, new RegExp(`refused; bundle ${bundle} stays in force`));
    const { code, stdout } = await workspace.run('policy', 'push', '--json');
    const { changed, bundle: kept, problems } = JSON.parse(stdout);
    assert.deepEqual([code, changed, kept, problems[0].line], [1, false, bundle, 3]);
    assert.equal(problems[0].file, path('policies/p.cedar'));
    assert.ok(problems[0].mend.length > 0);
    await asBefore(bundle);
  });

test(
  'refuses what the configuration or the lock cannot mean, and what only a start can do: exits 2 and 3',
  TIMED,
  async () => {
    const { bundle } = await pushed(alice + bob);
    const lock = JSON.parse(pins);
    const refused = async (exit: number, message: RegExp, yaml: string, text = pins): Promise<void> => {
      files(alice, text, yaml);
      const { code, stdout, stderr } = await push();
      assert.deepEqual([code, stdout], [exit, ''], stderr);
      assert.match(stderr, message);
    };
    const tools = (text: string): string => config.replace('  notes:\n', `  notes:\n    tools: ${text}\n`);
    await refused(
      2,
      /innerkeep\.yaml:\d+:\d+: servers\.notes\.tools\.look: .*open_schema/,
      tools('{ look: { open_schema: [/gone] } }'),
    );
    await refused(2, /the server has no such tool; it has look/, tools('{ ghost: {} }'));
    await refused(2, /innerkeep\.yaml:\d+:\d+: .*servrs/, config.replace('servers:', 'servrs:'));
    const larger = config.replace('edge: {', 'edge: { max_body: 2MiB,');
    await refused(2, /innerkeep\.yaml:1:\d+: edge: .*start it again/, larger);
    const other = config.replace('  local:\n', '  local:\n    max_result: 1MiB\n');
    await refused(2, /innerkeep\.yaml:\d+:\d+: servers\.local: .*start it again/, other);
    lock.servers.more = lock.servers.notes;
    const url = /https?:\S+/.exec(config)?.[0];
    const more = `${config}  more:\n    url: ${url}\n`;
    await refused(2, /innerkeep\.yaml:\d+:\d+: servers\.more: .*start it again/, more, JSON.stringify(lock));
    await refused(3, /the server more is not pinned; run `innerkeep add/, more);
    await refused(3, /is not the one that was reviewed/, config, pins.replaceAll('\\"look\\"', '\\"lock\\"'));
    await asBefore(bundle);
  },
);

test('a bundle that the gateway itself refuses changes nothing, and ends neither it nor up', TIMED, async () => {
  const { bundle } = await pushed(alice + bob);
  const lock = JSON.parse(pins);
  lock.servers.notes.pins.tools.push(lock.servers.notes.pins.tools[0]);
  files(alice, JSON.stringify(lock));
  const { code, stderr } = await push();
  assert.equal(code, 2, stderr);
  assert.match(stderr, /innerkeep\.yaml:\d+:\d+: servers: notes\/look occurs twice; \S/);
  await asBefore(bundle);
  assert.equal((await pushed(permit('alice', 'look'))).changed, true);
});

test(
  'a removed permit holds from the next call on; the call in flight ends by the bundle it began with',
  TIMED,
  async () => {
    const { bundle } = await pushed(alice + bob);
    const mine = await token('alice');
    const arrives = new Promise<void>((resolve) => {
      isHeld = resolve;
    });
    const inFlight = post(product, callText('notes__hold', '{}'), { token: mine });
    await arrives;
    assert.deepEqual(await pushed(permit('alice', 'look') + bob), { changed: true, bundle: bundle + 1 });
    const [next, absent] = await Promise.all(
      ['hold', 'nowhere'].map((name) => post(product, callText(`notes__${name}`, '{}'), { token: mine })),
    );
    const seen = [next, absent].map((reply) => ({ ...reply?.json.error, data: Object.keys(reply?.json.error.data) }));
    assert.equal(seen[0].code, -32602);
    assert.deepEqual(seen[0], seen[1]);
    for (const release of held.splice(0)) release();
    assert.equal((await inFlight).json.result.content[0].text, 'hold done');

    const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '50', '--json'));
    const ofBundles = records.filter(({ event }: { event: string }) => event === 'bundle');
    assert.equal(ofBundles.at(-1).bundle, bundle + 1);
    const refusal = records.find(({ incident }: { incident: string }) => incident === next?.json.error.data.incident);
    assert.equal(refusal.bundle, bundle + 1);
    const closing = records.findLast(
      ({ action, code }: Record<string, string>) => action === 'notes/hold' && code === 'ok',
    );
    assert.equal(closing?.bundle ?? bundle, bundle);
  },
);

test(
  'nothing changed: no new version; two pushes at once: one makes it; a revocation takes no push back',
  TIMED,
  async () => {
    const { bundle } = await pushed(alice + bob);
    const plain = await push();
    assert.deepEqual([plain.code, plain.stdout], [0, `nothing has changed; bundle ${bundle} stays in force\n`]);
    files(permit('alice', 'look'));
    const both = await Promise.all([push(), push()]);
    assert.deepEqual(both.map(({ stdout }) => stdout).sort(), [
      `bundle ${bundle + 1} is in force\n`,
      `nothing has changed; bundle ${bundle + 1} stays in force\n`,
    ]);
    const [mine, lost] = [await token('alice'), await token('alice')];
    await workspace.must('token', '--revoke', lost);
    const write = (as: string) => post(product, callText('notes__write', '{}'), { token: as });
    assert.equal((await write(mine)).json.error.code, -32602);
    assert.deepEqual(await pushed(alice), { changed: true, bundle: bundle + 3 });
    assert.equal((await write(mine)).json.result.content[0].text, 'write done');
    assert.equal((await write(lost)).status, 421);
  },
);

test('without a running up: exit 2, and what to do', TIMED, async () => {
  const other = new Workspace({ 'innerkeep.yaml': '' });
  const { code, stdout, stderr } = await other.run('policy', 'push', '--json');
  other.remove();
  assert.deepEqual([code, stdout], [2, ''], stderr);
  assert.match(stderr, /no innerkeep up is running .*; start one/);
});

for (const kind of ['client 2.x legacy', 'client 2.x modern', 'SDK 1.32'] as const) {
  test(`${kind} is told of a push that changes what it sees, and of no other`, TIMED, async () => {
    const way = async (subject: string) => ({ url: product.ready.mcp, ca: product.ca, token: await token(subject) });
    await using hers = await opened(kind, await way('alice'));
    await using his = await opened(kind, await way('bob'));
    const told = { alice: 0, bob: 0 };
    const next = (who: keyof typeof told, behind: { changed: () => void }) =>
      new Promise<void>((resolve) => {
        behind.changed = () => {
          told[who]++;
          resolve();
        };
      });
    const [forAlice, forBob] = [next('alice', hers.who), next('bob', his.who)];
    assert.deepEqual(await hers.client.tools(), ['notes__look', 'notes__write', 'notes__hold']);
    // Conditions on arguments change what is permitted, and no list.
    const narrowed = bob.replace(/;\n$/, ' when { context.hour < 24 };\n');
    await pushed(permit('alice', 'look') + narrowed);
    await forAlice;
    assert.deepEqual(await hers.client.tools(), ['notes__look']);
    await assert.rejects(hers.client.call('notes__write', {}), /-32602|not found|unknown/i);
    assert.equal((await his.client.call('notes__write', {})).content[0]?.text, 'write done');
    // All are told of one bundle before any is told of the next: what he hears first is about this one.
    await pushed(permit('alice', 'look') + permit('bob', 'look'));
    await forBob;
    assert.deepEqual(await his.client.tools(), ['notes__look']);
    assert.deepEqual(told, { alice: 1, bob: 1 });
  });
}

test('approved descriptors are served after a push, and the clients that see them are told', TIMED, async () => {
  await using client = await opened('client 2.x modern', {
    url: product.ready.mcp,
    ca: product.ca,
    token: await token('alice'),
  });
  const told = new Promise<void>((resolve) => {
    client.who.changed = resolve;
  });
  const sized = tool('write', { size: { type: 'integer' } });
  tools = [tool('look'), sized, tool('hold'), tool('extra')];
  await workspace.must('tools', 'approve', 'notes', '--yes');
  const approved = readFileSync(path('innerkeep.lock'), 'utf8');
  const mine = await token('alice');
  const write = () => post(product, callText('notes__write', '{"size":1}'), { token: mine });
  const earlier = await write();
  assert.equal((await pushed(alice + permit('alice', 'extra') + bob, approved)).changed, true);
  await told;
  const names = await client.client.tools();
  assert.ok(names.includes('notes__extra'));
  const later = await write();
  assert.equal(earlier.json.result._meta['innerkeep/refusal'].reason, 'validation');
  assert.equal(later.json.result.isError, undefined);
});

test(
  'a body that comes slowly saves neither a right that is withdrawn meanwhile, nor a token that is revoked',
  TIMED,
  async () => {
    verifies('authz.default-deny', 'authn.edge');
    await pushed(alice);
    const token = await product.token();
    const body = callText('notes__look', '{}');
    const begin = async (): Promise<RawSocket> => {
      const socket = await RawSocket.open({ port: Number(new URL(product.ready.mcp).port), ca: product.ca });
      const head = `Host: ${new URL(product.ready.mcp).host}\r\nAuthorization: Bearer ${token}\r\nMCP-Protocol-Version: 2025-11-25\r\n`;
      const form = 'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n';
      socket.write(`POST /mcp HTTP/1.1\r\n${head}${form}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`);
      return socket;
    };
    const end = async (socket: RawSocket): Promise<{ status: number; body: string }> => {
      socket.write(body.slice(9));
      const answer = await socket.next();
      socket.destroy();
      assert.ok(typeof answer === 'object', String(answer));
      return answer;
    };
    assert.match((await end(await begin())).body, /look done/);
    // A body has ten seconds, which the start of a command may take on a busy machine: both are asked for from here.
    const withdrawn = await begin();
    files(bob);
    const io = { json: true, stdout: () => {}, stderr: () => {}, stateDir: path('.innerkeep') };
    assert.equal(await pushPolicies([], io), 0);
    assert.match((await end(withdrawn)).body, /Unknown tool/);
    await pushed(alice);
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const revoked = await begin();
    await product.revoke(jti);
    assert.equal((await end(revoked)).status, 421);
  },
);
