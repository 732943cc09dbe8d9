import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SafetyError } from '../../src/control-plane/config/problem.ts';
import { copyDirectory } from '../../src/control-plane/packages/directory.ts';
import { Store } from '../../src/control-plane/packages/store.ts';
import { scratch } from '../support/scratch.ts';

function rooms(t: TestContext, files: Record<string, string>) {
  const home = scratch(
    t,
    Object.fromEntries(Object.entries(files).map(([path, text]) => [join('server', path), text])),
  );
  const state = join(home, 'state');
  const store = new Store(state);
  const root = join(home, 'server');
  return { home, root, state, store, put: () => store.add((directory) => copyDirectory(root, directory, state)) };
}

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SafetyError && error.exitCode === 3 && pattern.test(error.message);

test('the same files have the same digest, whatever their times, owners and umask; other bytes, names, modes have not', async (t) => {
  const { root, put } = rooms(t, { 'server.mjs': 'x', 'lib/a.js': 'y' });
  const { digest } = await put();
  chmodSync(join(root, 'server.mjs'), 0o600);
  assert.deepEqual(await put(), { digest, fresh: false });
  const seen = new Set([digest]);
  for (const change of [
    () => chmodSync(join(root, 'server.mjs'), 0o700),
    () => writeFileSync(join(root, 'lib/a.js'), 'z'),
    () => renameSync(join(root, 'lib/a.js'), join(root, 'lib/b.js')),
    () => mkdirSync(join(root, 'empty')),
    () => symlinkSync('server.mjs', join(root, 'inner')),
  ]) {
    change();
    seen.add((await put()).digest);
  }
  assert.equal(seen.size, 6);
});

test('everyone can read the copy, and nobody but its owner can write it', async (t) => {
  const { root, store, put } = rooms(t, {
    'server.mjs': 'x',
    'lib/a.js': 'y',
    'node_modules/.bin/z': 'z',
    '.git/config': 'secret',
  });
  chmodSync(join(root, 'lib'), 0o700);
  chmodSync(join(root, 'lib/a.js'), 0o666);
  chmodSync(join(root, 'server.mjs'), 0o777);
  const path = store.path((await put()).digest);
  const mode = (name: string): number => statSync(join(path, name)).mode & 0o7777;
  assert.deepEqual(['.', 'lib', 'lib/a.js', 'server.mjs'].map(mode), [0o755, 0o755, 0o644, 0o755]);
  assert.equal(existsSync(join(path, 'node_modules/.bin')), false);
  assert.equal(existsSync(join(path, '.git')), false);
});

for (const [title, target] of [
  ['climbs out', '../../../etc/passwd'],
  ['is absolute', '/etc/passwd'],
  ['leads nowhere', 'missing'],
] as const)
  test(`refuses a server directory with a link that ${title}; nothing of it stays`, async (t) => {
    const { root, store, put } = rooms(t, { 'server.mjs': 'x' });
    symlinkSync(target, join(root, 'link'));
    await assert.rejects(put(), refused(/link that leaves the tree/));
    assert.deepEqual(readdirSync(store.directory), []);
  });

test('refuses a link that leaves over another link', async (t) => {
  const { root, put } = rooms(t, { 'a/b/x': 'x' });
  // By its words the second link stays inside; on the way it passes the first, which leads to the root.
  symlinkSync('../..', join(root, 'a/b/up'));
  symlinkSync('a/b/up/../outside', join(root, 'link'));
  writeFileSync(join(root, '../outside'), 'secret');
  await assert.rejects(put(), refused(/link that leaves/));
});

test('refuses setuid and setgid bits', async (t) => {
  for (const bit of [0o4755, 0o2755]) {
    const { root, store, put } = rooms(t, { 'server.mjs': 'x', tool: 'y' });
    chmodSync(join(root, 'tool'), bit);
    await assert.rejects(put(), refused(/setuid/));
    assert.deepEqual(readdirSync(store.directory), []);
  }
});

test('refuses a pipe among the files', async (t) => {
  const { root, store, put } = rooms(t, { 'server.mjs': 'x' });
  execFileSync('mkfifo', [join(root, 'pipe')]);
  await assert.rejects(put(), refused(/pipe/i));
  assert.deepEqual(readdirSync(store.directory), []);
});

test('refuses a directory that holds the state directory with its keys', async (t) => {
  const { home, state, store } = rooms(t, { 'server.mjs': 'x' });
  await assert.rejects(
    store.add((directory) => copyDirectory(home, directory, state)),
    refused(/state directory/),
  );
});

test('refuses an entry in which anything was changed, added or taken away', async (t) => {
  const { store, put } = rooms(t, { 'server.mjs': 'x', 'lib/a.js': 'y' });
  for (const change of [
    (path: string) => appendFileSync(join(path, 'lib/a.js'), ' '),
    (path: string) => writeFileSync(join(path, 'more.js'), ''),
    (path: string) => rmSync(join(path, 'lib'), { recursive: true }),
    (path: string) => chmodSync(join(path, 'lib/a.js'), 0o755),
    (path: string) => {
      rmSync(join(path, 'server.mjs'));
      symlinkSync('lib/a.js', join(path, 'server.mjs'));
    },
  ]) {
    const { digest } = await put();
    store.verify(digest);
    change(store.path(digest));
    assert.throws(() => store.verify(digest), refused(/were changed/));
    await assert.rejects(put(), refused(/were changed/), 'the same content does not heal a changed entry');
    await store.remove(digest);
  }
});

test('refuses a digest that is a path', (t) => {
  const { store } = rooms(t, {});
  for (const digest of ['../../etc', 'sha256-../x', '', `sha256-${'a'.repeat(63)}/`])
    assert.throws(() => store.path(digest), SafetyError);
});

test('what a build left unfinished is never an entry', async (t) => {
  const { store } = rooms(t, {});
  const half = store.add(async (directory) => {
    writeFileSync(join(directory, 'half'), readFileSync('/dev/null'));
    throw new Error('the registry went away');
  });
  await assert.rejects(half, /went away/);
  assert.deepEqual(readdirSync(store.directory), []);
});

test('what a builder left that was killed is swept away; what a living one builds is not', async (t) => {
  const { store, put } = rooms(t, { 'server.mjs': 'x' });
  const { pid: dead } = spawnSync('true');
  mkdirSync(join(store.directory, `.building-${dead}-abc`), { recursive: true });
  mkdirSync(join(store.directory, '.building-1-abc'));
  const { digest } = await put();
  assert.deepEqual(readdirSync(store.directory).sort(), ['.building-1-abc', digest]);
});

test('two who install the same at once both have it', async (t) => {
  const { put } = rooms(t, { 'server.mjs': 'x' });
  const both = await Promise.all([put(), put(), put()]);
  assert.equal(new Set(both.map(({ digest }) => digest)).size, 1);
  assert.equal(both.filter(({ fresh }) => fresh).length, 1);
});
