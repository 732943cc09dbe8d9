import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { RuntimeLink } from '../../src/gateway/execution/runtime-link.ts';
import { absent, processesWith, ServerFiles } from '../sandbox/support/hosted.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { aCall, stdioServer } from './support.ts';

/** Zone 2 in a process of its own, as zone 0 starts it. */
const ZONE = `import(${JSON.stringify(import.meta.resolve('../../src/main/runtime-zone.ts'))}).then((zone) => zone.runtimeZone())`;

const program = (name: string) => readFileSync(join(import.meta.dirname, 'servers', name), 'utf8');

test('a runtime that is killed leaves no sandbox that asks or listens (kill -9)', {
  skip: absent('bubblewrap'),
}, async (t) => {
  verifies('sandbox.isolation');
  const marker = `asking-${process.pid}`;
  using files = new ServerFiles(
    Object.fromEntries(['wire.mjs', 'asking.mjs', 'eras.mjs'].map((name) => [name, program(name)])),
  );
  const server = (name: string, file: string, manners: string) => ({
    ...stdioServer(manners, { name, root: files.root, memory: 128 << 20 }),
    command: ['node', file, manners, '', marker],
  });
  const servers = [server('asks', 'asking.mjs', 'once'), server('tells', 'eras.mjs', 'tells')];
  const directory = await mkdtemp(join(tmpdir(), 'innerkeep-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const bundle = { socket: join(directory, 'runtime.sock'), servers, node: process.execPath };

  const wrap = process.getuid?.() === 0 ? ['unshare', '--mount', '--propagation', 'private'] : [];
  const [command = '', ...args] = [...wrap, process.execPath, '--eval', ZONE];
  const zone = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'advanced' });
  t.after(() => zone.kill('SIGKILL'));
  zone.send({ kind: 'open', bundle, forbidden: [] });
  const [message] = await once(zone, 'message');
  assert.deepEqual(message, { kind: 'ready' });

  const link = new RuntimeLink(bundle.socket);
  t.after(() => link.close());
  const asked = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const ask = () => {
    asked.resolve();
    return new Promise<never>(() => {});
  };
  const call = assert.rejects(link.call('asks', aCall({ ask })), { code: 'unavailable' });
  const { signal } = new AbortController();
  const listening = { uris: ['test://last'], subject: 'alice', signal, ready: told.resolve, notify: () => {} };
  const listened = assert.rejects(link.listen('tells', listening), { code: 'unavailable' });
  await Promise.all([asked.promise, told.promise]);
  assert.ok(processesWith(marker) >= 2);

  zone.kill('SIGKILL');
  await Promise.all([call, listened]);
  await until(() => processesWith(marker) === 0);
});
