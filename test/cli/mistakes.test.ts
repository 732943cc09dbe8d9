import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { nodeVersion } from '../../src/cli/doctor.ts';
import { Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';

const empty = {
  'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
  'policies/none.cedar': '',
};
let workspace: Workspace;
afterEach(() => workspace?.remove());

for (const [key, line] of [
  ['edge', 1],
  ['admin', 2],
] as const) {
  test(`up names ${key}.listen when its port is taken: exit 2, nothing is announced`, async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const text = empty['innerkeep.yaml'].split('\n');
    text[line - 1] = `${key}: { listen: "127.0.0.1:${address.port}" }`;
    workspace = new Workspace({ ...empty, 'innerkeep.yaml': text.join('\n') });
    const { code, stdout, stderr } = await workspace.run('up', '--json');
    other.close();
    assert.equal(code, 2, stderr);
    assert.match(stderr, new RegExp(`innerkeep\\.yaml:${line}:\\d+: ${key}\\.listen: 127\\.0\\.0\\.1:\\d+ is taken`));
    assert.equal(stdout, '');
    assert.deepEqual(readdirSync(join(workspace.dir, '.innerkeep/run')), []);
  });
}

test('up refuses a state directory that others may write (exit 3), and one that is a file', async () => {
  workspace = new Workspace(empty);
  const state = join(workspace.dir, '.innerkeep');
  mkdirSync(state);
  chmodSync(state, 0o777);
  const open = await workspace.run('up');
  assert.deepEqual([open.code, /chmod go-w/.test(open.stderr)], [3, true], open.stderr);
  rmSync(state, { recursive: true });
  writeFileSync(state, '');
  const file = await workspace.run('up');
  assert.deepEqual([file.code, /not a directory; name another/.test(file.stderr)], [3, true], file.stderr);
});

test('up refuses to serve what it cannot record: an audit log that cannot be opened, exit 3', async () => {
  workspace = new Workspace(empty);
  mkdirSync(join(workspace.dir, '.innerkeep/audit/audit.jsonl'), { recursive: true, mode: 0o700 });
  const { code, stdout, stderr } = await workspace.run('up', '--json');
  assert.deepEqual([code, stdout, /audit\.jsonl cannot be written: EISDIR/.test(stderr)], [3, '', true], stderr);
});

test("up names the mount that the sandbox's user cannot read, and the command that mends it", async (t) => {
  if (process.getuid?.() !== 0) return t.skip('root: another user is kept out earlier, by the configuration');
  workspace = new Workspace({ ...empty, 'server/server.mjs': SERVER, 'data/a.txt': 'a' });
  const server = [
    'add',
    './server',
    '--name',
    'tiny',
    '--mount',
    './data:/data:ro',
    '--yes',
    '--',
    'node',
    'server.mjs',
  ];
  await workspace.must(...server);
  chmodSync(join(workspace.dir, 'data'), 0o700);
  const { code, stderr } = await workspace.run('up');
  assert.equal(code, 2, stderr);
  assert.match(stderr, /innerkeep\.yaml:\d+:\d+: servers\.tiny\.mounts: .*\/data as ro mount \/data; chmod o\+rx /);
});

test('add and tools diff name the server that does not answer: exit 2, not the 1 of a difference', async () => {
  workspace = new Workspace({ ...empty, 'server/server.mjs': SERVER, 'data/a.txt': 'a' });
  const add = (name: string) =>
    workspace.run('add', './server', '--name', name, '--mount', './data:/data', '--yes', '--', 'node', 'server.mjs');
  assert.equal((await add('tiny')).code, 0);
  writeFileSync(join(workspace.dir, 'data/broken'), '');
  for (const { code, stdout, stderr } of [await add('other'), await workspace.run('tools', 'diff', '--json')]) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, /servers\.(tiny|other): it does not answer: .*no database/);
    assert.equal(stdout, '');
  }
  rmSync(join(workspace.dir, 'data/broken'));
  assert.equal(
    await workspace.must('tools', 'approve', '--json'),
    '{"servers":[{"name":"tiny","changes":[],"suspects":{}}]}\n',
  );
});

test('up names the server and the tool whose schema cannot be enforced, and starts nothing', async () => {
  workspace = new Workspace({ ...empty, 'server/server.mjs': SERVER });
  await workspace.must('add', './server', '--name', 'tiny', '--yes', '--', 'node', 'server.mjs');
  const config = readFileSync(join(workspace.dir, 'innerkeep.yaml'), 'utf8');
  writeFileSync(
    join(workspace.dir, 'innerkeep.yaml'),
    `${config}    tools: { hi: { open_schema: [/properties/no] } }\n`,
  );
  const { code, stdout, stderr } = await workspace.run('up', '--json');
  assert.deepEqual([code, stdout], [2, ''], stderr);
  assert.match(
    stderr,
    /innerkeep\.yaml:\d+:\d+: servers\.tiny\.tools\.hi: tool hi: .*; take \/properties\/no out of servers\.tiny/,
  );
});

test('words and options that a command does not know are refused, not passed over', async () => {
  workspace = new Workspace(empty);
  const stray = [
    ['up', 'now'],
    ['doctor', '--fast'],
    ['connect', 'x'],
    ['audit', 'tail', 'a', 'b'],
    ['init', 'a', 'b'],
  ];
  for (const words of [...stray, ['up', '--self-check', 'missing.json'], ['tools', 'ls', 'a', 'b']]) {
    const { code, stderr } = await workspace.run(...words);
    assert.equal(code, 2, `${words.join(' ')}: ${stderr}`);
    assert.doesNotMatch(stderr, /\n {4}at /, words.join(' '));
  }
  rmSync(join(workspace.dir, 'policies'), { recursive: true });
  const { code, stderr } = await workspace.run('policy', 'lint');
  assert.deepEqual([code, /policies: the policy directory cannot be read/.test(stderr)], [2, true], stderr);
});

test('connect says at once that there is no such server (exit 2), and reads nothing', async () => {
  workspace = new Workspace(empty);
  const product = await workspace.up();
  const wish = ['connect', '--subject', 'alice', '--tenant', 'acme', '--server', 'nosuch'];
  const { code, stdout, stderr } = await workspace.pipe('{"jsonrpc":"2.0","id":1,"method":"ping"}\n', ...wish);
  await product.stop();
  assert.deepEqual([code, stdout, /audience: one of https:/.test(stderr)], [2, '', true], stderr);
});

test('connect and token need a running up: exit 2 with the mend, not the 1 of a check', async () => {
  workspace = new Workspace(empty);
  for (const command of ['connect', 'token']) {
    const { code, stdout, stderr } = await workspace.run(command, '--subject', 'alice', '--tenant', 'acme');
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, /no innerkeep up is running with .*; start one, or name its own with --state DIR\n/);
  }
});

test('with identity.issuers no token of ours is offered, minted or asked for', async () => {
  const identity = 'identity: { issuers: [{ issuer: "https://idp.example", tenant: acme }] }\n';
  workspace = new Workspace({ ...empty, 'innerkeep.yaml': `${empty['innerkeep.yaml']}${identity}` });
  const product = await workspace.up();
  const who = ['--subject', 'alice', '--tenant', 'acme'];
  const outcomes = [await workspace.run('token', ...who), await workspace.run('connect', ...who)];
  await product.stop();
  assert.equal(product.ready.issuer, 'https://idp.example');
  for (const { code, stdout, stderr } of outcomes) {
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, /identity\.issuers names https:\/\/idp\.example; get the token there/);
  }
});

test('up and doctor warn of a Node without the security release, and of no other', async () => {
  const old = ['20.20.0', '24.21.0', '24.22.0', '25.9.9', '26.12.0'];
  const good = ['24.22.1', '24.23.0', '26.12.1', '26.13.0', '27.0.0'];
  for (const version of old) assert.equal(nodeVersion(version).verdict, 'warning', version);
  for (const version of good) assert.equal(nodeVersion(version).verdict, 'good', version);
  workspace = new Workspace(empty);
  const product = await workspace.up();
  await product.stop();
  const warned = /innerkeep: warning: node .* lacks the security release/.test(product.stderr());
  assert.equal(warned, nodeVersion(process.versions.node).verdict === 'warning', product.stderr());
});

test('--version says which one this is', async () => {
  workspace = new Workspace(empty);
  assert.equal(await workspace.must('--version'), `${packageJson.version}\n`);
});

test('a reader that has read enough (| head) is no fault', async () => {
  workspace = new Workspace(empty);
  const child = spawn(process.execPath, [join(home, 'src/main.ts'), '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  assert.deepEqual([code, said], [0, '']);
});

const SERVER = `import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
if (existsSync('/data/broken')) { console.error('no database'); process.exit(3); }
const answers = {
  initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'tiny', version: '1' } },
  'tools/list': { tools: [{ name: 'hi', description: 'Says hi', inputSchema: { type: 'object', properties: {} } }] },
};
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  const result = answers[method];
  const said = result ? { result } : { error: { code: -32601, message: 'Method not found' } };
  console.log(JSON.stringify({ jsonrpc: '2.0', id, ...said }));
});
`;
