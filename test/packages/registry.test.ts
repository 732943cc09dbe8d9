import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ConfigError, SafetyError } from '../../src/control-plane/config/problem.ts';
import { addRooms } from '../support/add-rooms.ts';
import { type Published, registry } from '../support/registry.ts';

const NAME = 'acme-inventory-server';
const SPEC = `npm:${NAME}@1.2.3`;
const main = { path: 'package/main.js', text: 'console.log(1)' };
const server: Published = {
  name: NAME,
  version: '1.2.3',
  manifest: { bin: 'main.js' },
  entries: [main],
  signature: 'good',
};

async function rooms(t: TestContext, keys: boolean, ...packages: readonly Published[]) {
  const served = await registry(t, { keys }, ...packages);
  const room = addRooms(t, {}, served.env);
  const run = (...more: readonly string[]) => room.add(SPEC, '--name', 'inv', '--yes', ...more);
  const lock = () => JSON.parse(room.read('innerkeep.lock') ?? '{}').servers.inv;
  const entry = () => join(room.home, '.innerkeep/store', lock().digest);
  const untouched = (): void => {
    assert.equal(room.read('innerkeep.yaml'), '# mine\nservers: {}\n');
    assert.equal(room.read('innerkeep.lock'), undefined);
    const store = join(room.home, '.innerkeep/store');
    assert.deepEqual(existsSync(store) ? readdirSync(store) : [], []);
  };
  return { ...served, room, run, lock, entry, untouched };
}

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SafetyError && error.exitCode === 3 && pattern.test(error.message);

test('a signed package with a signed tree is verified, installed and pinned', async (t) => {
  const dependency: Published = { name: 'acme-inventory-core', version: '2.0.1', signature: 'good' };
  const { run, lock, entry, integrity, env, room } = await rooms(
    t,
    true,
    { ...server, manifest: { bin: 'main.js', dependencies: { 'acme-inventory-core': '^2.0.0' } } },
    dependency,
  );
  assert.equal(await run('--', '--root', '/data'), 0);
  const pinned = lock();
  assert.equal(pinned.source, SPEC);
  assert.equal(pinned.provenance, 'verified');
  assert.equal(pinned.integrity, integrity(NAME));
  assert.deepEqual(pinned.command, ['node', `/srv/node_modules/${NAME}/main.js`, '--root', '/data']);
  assert.deepEqual(pinned.packages['node_modules/acme-inventory-core'], {
    version: '2.0.1',
    integrity: integrity('acme-inventory-core'),
  });
  assert.equal(readFileSync(join(entry(), 'node_modules', NAME, 'main.js'), 'utf8'), main.text);
  assert.ok(room.read('innerkeep.yaml')?.startsWith('# mine\n'));
  assert.ok(
    !room.read('innerkeep.lock')?.includes(new URL(env.npm_config_registry ?? '').host),
    'the lock names no registry',
  );
});

test('a package without signature is unverified: refused, unless accepted, and it stays marked', async (t) => {
  const { run, lock, untouched, room } = await rooms(t, true, { ...server, signature: 'none' });
  await assert.rejects(run(), refused(/unverified: the registry serves no signature of 1 of 1/));
  untouched();
  assert.equal(await run('--accept-unverified'), 0);
  assert.equal(lock().provenance, 'unverified, accepted by operator');
  assert.match(room.out, /UNVERIFIED/);
  assert.equal(await run(), 0, 'its integrity is in the lock now');
  assert.equal(lock().provenance, 'unverified, accepted by operator');
});

test('one unsigned package deep in the tree makes the whole unverified', async (t) => {
  const { run, untouched } = await rooms(
    t,
    true,
    { ...server, manifest: { bin: 'main.js', dependencies: { 'acme-inventory-core': '2.0.1' } } },
    { name: 'acme-inventory-core', version: '2.0.1', signature: 'none' },
  );
  await assert.rejects(run(), refused(/1 of 2 packages/));
  untouched();
});

test('signatures of a registry that serves no keys prove nothing', async (t) => {
  const { run } = await rooms(t, false, server);
  await assert.rejects(run(), refused(/serves no keys/));
});

test('refuses a signature that is wrong, even with --accept-unverified', async (t) => {
  const { run, untouched } = await rooms(t, true, { ...server, signature: 'wrong' });
  await assert.rejects(run('--accept-unverified'), refused(/EINTEGRITYSIGNATURE/));
  untouched();
});

test('refuses a tarball that has not the integrity that the registry named (EINTEGRITY)', async (t) => {
  const { run, untouched } = await rooms(t, true, {
    ...server,
    integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}`,
  });
  await assert.rejects(run(), refused(/EINTEGRITY/));
  untouched();
});

test('refuses a registry that names no SHA-2 integrity', async (t) => {
  const { run, untouched } = await rooms(t, true, {
    ...server,
    integrity: `sha1-${Buffer.alloc(20, 7).toString('base64')}`,
  });
  await assert.rejects(run('--accept-unverified'), refused(/no SHA-2 integrity/));
  untouched();
});

test('refuses a tarball that says that it is another package', async (t) => {
  const { run, untouched } = await rooms(t, true, {
    ...server,
    manifest: { bin: 'main.js', name: 'other' },
    claims: { name: NAME },
  });
  await assert.rejects(run('--accept-unverified'), refused(/says that it is other@1\.2\.3/));
  untouched();
});

test('takes the command from the tarball, not from what the registry says of it', async (t) => {
  const { run, lock } = await rooms(t, true, { ...server, claims: { bin: { [NAME]: 'evil.js' } } });
  await run();
  assert.deepEqual(lock().command, ['node', `/srv/node_modules/${NAME}/main.js`]);
});

test('refuses a command outside of the package', async (t) => {
  const { run, untouched } = await rooms(t, true, { ...server, manifest: { bin: '../../../etc/passwd' } });
  await assert.rejects(run(), refused(/outside of it/));
  untouched();
});

test('links and climbing paths in a tarball leave nothing behind', async (t) => {
  const { run, entry, room } = await rooms(t, true, {
    ...server,
    entries: [
      main,
      { path: 'package/link', link: '/etc/passwd' },
      { path: 'package/up', link: '../../../..' },
      { path: 'package/up/planted', text: 'x' },
      { path: 'package/../../../../planted', text: 'x' },
      { path: '/planted', text: 'x' },
    ],
  });
  await run();
  const found = readdirSync(entry(), { recursive: true, withFileTypes: true });
  assert.deepEqual(
    found.filter((item) => item.isSymbolicLink()),
    [],
  );
  assert.ok(
    !existsSync('/planted') &&
      !existsSync(join(room.home, 'planted')) &&
      !existsSync(join(room.home, '.innerkeep/planted')),
  );
});

test('refuses a setuid file in a tarball', async (t) => {
  const { run, untouched } = await rooms(t, true, {
    ...server,
    entries: [main, { path: 'package/tool', text: 'x', mode: 0o4755 }],
  });
  await assert.rejects(run(), refused(/setuid/));
  untouched();
});

test('lists install scripts of the tree and runs none', async (t) => {
  const mark = join(addRooms(t, {}).home, 'ran');
  const { run, lock, room } = await rooms(
    t,
    true,
    {
      ...server,
      manifest: {
        bin: 'main.js',
        scripts: { postinstall: `touch ${mark}` },
        dependencies: { 'acme-inventory-core': '2.0.1' },
      },
    },
    {
      name: 'acme-inventory-core',
      version: '2.0.1',
      signature: 'good',
      manifest: { scripts: { preinstall: `touch ${mark}` } },
      entries: [{ path: 'package/binding.gyp', text: '{}' }],
    },
  );
  await run();
  assert.deepEqual(lock().scripts, [
    `acme-inventory-core@2.0.1: preinstall: touch ${mark}`,
    `${NAME}@1.2.3: postinstall: touch ${mark}`,
  ]);
  assert.match(room.out, /install scripts, not run: .*postinstall/);
  assert.ok(!existsSync(mark));
});

for (const spec of ['git+https://git.example/a/b.git', 'https://files.example/x.tgz', 'file:../other', 'github:a/b'])
  test(`refuses a tree that leaves the registry: ${spec}`, async (t) => {
    const { run, untouched } = await rooms(t, true, {
      ...server,
      manifest: { bin: 'main.js', dependencies: { other: spec } },
    });
    await assert.rejects(run('--accept-unverified'), refused(/have been disabled|not come from a registry/));
    untouched();
  });

test('a package or version that is not there is exit 2, and names what to check', async (t) => {
  const { room, untouched } = await rooms(t, true, server);
  for (const spec of ['npm:acme-missing@1.0.0', `npm:${NAME}@9.9.9`])
    await assert.rejects(
      room.add(spec, '--name', 'inv', '--yes'),
      (error) => error instanceof ConfigError && /check name and version/.test(error.message),
    );
  untouched();
});

test('a registry that cannot be reached is exit 2, and nothing is left', async (t) => {
  const room = addRooms(
    t,
    {},
    { ...(await registry(t, { keys: true })).env, npm_config_registry: 'http://127.0.0.1:9/' },
  );
  await assert.rejects(
    room.add(SPEC, '--name', 'inv', '--yes'),
    (error) => error instanceof ConfigError && /could not be asked/.test(error.message),
  );
  assert.equal(room.read('innerkeep.lock'), undefined);
});

test('refuses a look-alike name before anything is fetched', async (t) => {
  const { room, untouched } = await rooms(t, true, server);
  await assert.rejects(
    room.add('npm:@modelcontextprotoco1/server-filesystem@1.0.0', '--name', 'inv', '--yes', '--accept-unverified'),
    refused(/did you mean @modelcontextprotocol\/server-filesystem/),
  );
  untouched();
});
