import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { absent, ServerFiles } from '../sandbox/support/hosted.ts';
import { verifies } from '../support/verifies.ts';
import { stdioServer } from './support.ts';

const ZONE = `import(${JSON.stringify(import.meta.resolve('../../src/main/runtime-zone.ts'))}).then((zone) => zone.runtimeZone())`;

test('the start is refused when the driver that a server asks for cannot be had, though another could (exit 3)', {
  skip: absent('gvisor') || absent('root'),
}, async (t) => {
  verifies('sandbox.isolation');
  using files = new ServerFiles();
  const directory = await mkdtemp(join(tmpdir(), 'innerkeep-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const server = { ...stdioServer('echo', { root: files.root, memory: 128 << 20 }), driver: 'gvisor' as const };
  const bundle = { socket: join(directory, 'runtime.sock'), servers: [server], node: process.execPath };
  // A machine whose runsc is no program, in a mount namespace that nobody else sees.
  const spoilt = 'mount --bind /dev/null /usr/bin/runsc; exec "$@"';
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', spoilt, 'sh', process.execPath, '--eval', ZONE];
  const zone = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  t.after(() => zone.kill('SIGKILL'));
  zone.send({ kind: 'open', bundle, forbidden: [] });
  const [message] = await once(zone, 'message');
  assert.equal(message.kind, 'refused');
  assert.equal(message.exit, 3);
  assert.match(message.message, /^gvisor cannot hold: start \(.*runsc.*\)\. .*apt-get install/s);
});
