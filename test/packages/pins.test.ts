import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError, SafetyError } from '../../src/control-plane/config/problem.ts';
import { readLock } from '../../src/control-plane/packages/lock.ts';
import { npmSettings } from '../../src/control-plane/packages/npm-settings.ts';
import { pinsOf } from '../../src/control-plane/packages/pins.ts';
import { pinsFor, prepareServers } from '../../src/control-plane/packages/pins-for.ts';
import { addRooms } from '../support/add-rooms.ts';
import { registry } from '../support/registry.ts';

const NAME = 'acme-inventory-server';
const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SafetyError && error.exitCode === 3 && pattern.test(error.message);

/** A configuration with one package and one directory, both pinned, as a clone of it would have it: without a store. */
async function pinned(t: TestContext) {
  const served = await registry(
    t,
    { keys: true },
    {
      name: NAME,
      version: '1.2.3',
      signature: 'good',
      manifest: { bin: 'main.js', dependencies: { 'acme-inventory-core': '^2.0.0' } },
      entries: [{ path: 'package/main.js', text: '1' }],
    },
    {
      name: 'acme-inventory-core',
      version: '2.0.1',
      signature: 'good',
      entries: [{ path: 'package/index.js', text: '1' }],
    },
  );
  const room = addRooms(t, { 'notes/server.mjs': 'x' }, served.env);
  await room.add(`npm:${NAME}@1.2.3`, '--name', 'inv', '--yes', '--', '/data');
  await room.add('./notes', '--name', 'notes', '--yes', '--', 'node', 'server.mjs');
  const file = join(room.home, 'innerkeep.yaml');
  const store = join(room.home, '.innerkeep/store');
  const start = async (platform = 'linux-x64') =>
    prepareServers(await loadConfig(file), readLock(room.home), () => npmSettings(room.home, served.env), platform);
  const edit = (path: string, change: (text: string) => string): void =>
    writeFileSync(join(room.home, path), change(room.read(path) ?? ''));
  return { ...served, room, file, store, start, edit };
}

test('what is pinned and unchanged is handed to gateway and runtime, and nothing else', async (t) => {
  const { start, store } = await pinned(t);
  const { gateway, runtime } = await start();
  assert.deepEqual(
    gateway.map(({ pins }) => pins.name),
    ['inv', 'notes'],
  );
  assert.deepEqual(
    runtime.map((server) => server.kind === 'sandboxed' && [server.command, server.root.startsWith(store)]),
    [
      [['node', `/srv/node_modules/${NAME}/main.js`, '/data'], true],
      [['node', 'server.mjs'], true],
    ],
  );
});

test('a store that is missing is installed again exactly as the lock pins it', async (t) => {
  const { start, store, publish } = await pinned(t);
  const before = readdirSync(store).sort();
  rmSync(store, { recursive: true });
  // Newer versions in the ranges change nothing: the lock names every version.
  publish({
    name: 'acme-inventory-core',
    version: '2.0.1',
    signature: 'good',
    entries: [{ path: 'package/index.js', text: '1' }],
  });
  await start();
  assert.deepEqual(readdirSync(store).sort(), before);
});

test('refuses a registry that serves other bytes under a pinned version (EINTEGRITY)', async (t) => {
  const { start, store, publish, env } = await pinned(t);
  rmSync(store, { recursive: true });
  rmSync(env.npm_config_cache ?? '', { recursive: true });
  publish({
    name: 'acme-inventory-core',
    version: '2.0.1',
    signature: 'good',
    entries: [{ path: 'package/index.js', text: 'evil' }],
  });
  await assert.rejects(start(), refused(/EINTEGRITY/));
  assert.deepEqual(readdirSync(store), []);
});

test('refuses a wrong integrity in the lock (EINTEGRITY)', async (t) => {
  const { start, store, edit, integrity } = await pinned(t);
  rmSync(store, { recursive: true });
  edit('innerkeep.lock', (text) =>
    text.replaceAll(integrity('acme-inventory-core'), `sha512-${Buffer.alloc(64, 1).toString('base64')}`),
  );
  await assert.rejects(start(), refused(/EINTEGRITY/));
});

test('refuses a wrong digest in the lock', async (t) => {
  const { start, store, edit } = await pinned(t);
  rmSync(store, { recursive: true });
  edit('innerkeep.lock', (text) => text.replaceAll(/sha256-[0-9a-f]{64}/g, `sha256-${'0'.repeat(64)}`));
  await assert.rejects(start(), refused(/the lock pins sha256-0000/));
});

test('refuses a changed byte in the store, with the mend', async (t) => {
  const { start, room } = await pinned(t);
  const { digest } = JSON.parse(room.read('innerkeep.lock') ?? '').servers.inv;
  appendFileSync(join(room.home, '.innerkeep/store', digest, 'node_modules/acme-inventory-core/index.js'), ' ');
  await assert.rejects(start(), refused(/were changed.*remove that directory/));
});

test('refuses a directory that is no longer what was pinned, when its copy has to be made again', async (t) => {
  const { start, room, store } = await pinned(t);
  appendFileSync(join(room.home, 'notes/server.mjs'), 'more');
  await start();
  rmSync(store, { recursive: true });
  await assert.rejects(start(), refused(/review the change/));
});

test('refuses a path in the lock that leads out of the tree', async (t) => {
  const { start, store, edit, room } = await pinned(t);
  for (const path of ['node_modules/../../../planted', '../planted', '/planted', 'planted']) {
    rmSync(store, { recursive: true, force: true });
    const before = room.read('innerkeep.lock') ?? '';
    edit('innerkeep.lock', (text) => text.replace('"node_modules/acme-inventory-core"', JSON.stringify(path)));
    await assert.rejects(start(), refused(/outside of node_modules/), path);
    edit('innerkeep.lock', () => before);
  }
  assert.ok(!existsSync(join(room.home, 'planted')));
});

for (const [title, change, expected] of [
  [
    'a server that the lock does not know',
    (text: string) => text.replace('  inv:', '  new:'),
    /new is not pinned; run `innerkeep add npm:acme-inventory-server@1\.2\.3 --name new -- \/data`/,
  ],
  [
    'another version',
    (text: string) => text.replace('@1.2.3', '@1.2.4'),
    /pinned as npm:.*@1\.2\.3, and configured as npm:.*@1\.2\.4/,
  ],
  ['other arguments', (text: string) => text.replace('[/data]', '[/]'), /other arguments/],
  [
    'another command',
    (text: string) => text.replace('[node, server.mjs]', '[node, --inspect, server.mjs]'),
    /other arguments/,
  ],
  ['another directory', (text: string) => text.replace('./notes', './data'), /pinned as dir:notes/],
] as const)
  test(`nothing unpinned is started: refuses ${title}`, async (t) => {
    const { start, edit } = await pinned(t);
    edit('innerkeep.yaml', change);
    await assert.rejects(start(), refused(expected));
  });

test('refuses a descriptor in the lock that is not the one that was reviewed', async (t) => {
  const { room, edit } = await pinned(t);
  edit('innerkeep.lock', (text) => text.replace('Says it again', 'Says it again, and reads ~/.ssh'));
  assert.throws(() => readLock(room.home), refused(/inv\/echo is not the one that was reviewed/));
});

test('a lock that cannot be read is exit 2, never an empty one', async (t) => {
  const { room, edit } = await pinned(t);
  const before = room.read('innerkeep.lock') ?? '';
  for (const bad of [
    '',
    '{',
    '[]',
    '{"lockfileVersion":2,"servers":{}}',
    before.replace('"openLevels"', '"x"'),
    before.replace('{', '{"lockfileVersion":1,'),
  ]) {
    edit('innerkeep.lock', () => bad);
    assert.throws(() => readLock(room.home), ConfigError, bad.slice(0, 40));
  }
});

test('settings for a tool that the server does not have are exit 2', async (t) => {
  const { edit, file, room } = await pinned(t);
  edit('innerkeep.yaml', (text) => `${text}    tools: { ehco: { open_schema: [/properties/x] } }\n`);
  const config = await loadConfig(file);
  assert.throws(
    () => pinsFor(config, readLock(room.home)),
    (error) => error instanceof ConfigError && /ehco.*it has echo/.test(error.message),
  );
});

test('the lock is the same text whatever order servers were added in', async (t) => {
  const [a, b] = [addRooms(t, { 'x/s': '', 'y/s': '' }), addRooms(t, { 'x/s': '', 'y/s': '' })];
  for (const name of ['x', 'y']) await a.add(`./${name}`, '--name', name, '--yes', '--', 'node', 's');
  for (const name of ['y', 'x']) await b.add(`./${name}`, '--name', name, '--yes', '--', 'node', 's');
  assert.equal(a.read('innerkeep.lock'), b.read('innerkeep.lock'));
});

test('the pins of the example are whole, and name no registry', async () => {
  const directory = join(import.meta.dirname, '../../examples/first-call');
  const { gateway, runtime } = pinsFor(await loadConfig(join(directory, 'innerkeep.yaml')), readLock(directory));
  assert.deepEqual(
    gateway.map(({ pins }) => [pins.name, pins.tools.length > 10]),
    [
      ['files', true],
      ['everything', true],
    ],
  );
  assert.equal(runtime.length, 2);
  assert.doesNotMatch(readFileSync(join(directory, 'innerkeep.lock'), 'utf8'), /"resolved"|\.tgz/);
});

test('what a server of 2026-07-28 says of itself is found where it says it, and never without name and version', () => {
  const infoOf = (handshake: object) =>
    pinsOf({ handshake: JSON.stringify(handshake), tools: [], prompts: [], resourceTemplates: [] }).serverInfo;
  const said = { name: 'notes', version: '2.0', title: 'Notes' };
  const modern = { supportedVersions: ['2026-07-28'], capabilities: {} };
  assert.deepEqual(infoOf({ ...modern, _meta: { 'io.modelcontextprotocol/serverInfo': said } }), said);
  assert.deepEqual(infoOf({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: said }), said);
  assert.deepEqual(infoOf({ ...modern, _meta: { 'io.modelcontextprotocol/serverInfo': { name: 3 } } }), {
    name: 'unnamed',
    version: '0',
  });
});
