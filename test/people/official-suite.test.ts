import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratch } from '../support/scratch.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';
import { openDoor } from './support/door.ts';
import { Visitor } from './support/visitor.ts';

const SUITE = join(home, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

test('the embedded issuer passes the official suite’s scenarios for authorization servers', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const ca = join(scratch(t), 'ca.pem');
  writeFileSync(ca, door.ca);
  const alice = new Visitor(door);
  await alice.enrol(door.issuer.invite({ subject: 'alice', tenant: 'acme', groups: [] }, 900));
  const port = String(30_000 + (process.pid % 20_000));
  // The suite's callback is at a path of its own.
  const argv = ['authorization', '--url', door.origin, '--client-id', 'stock', '--resource', door.mcp, '-p', port];
  const env = { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: ca };
  const child = spawn(process.execPath, [SUITE, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill());
  let said = '';
  let visited: Promise<unknown> | undefined;
  const hear = (chunk: Buffer) => {
    said += chunk;
    const url = /(https:\S+\/oauth\/authorize\S+)\s/.exec(said)?.[1];
    if (url === undefined || !said.includes('Callback server started')) return;
    const redirect = new URL(url).searchParams.get('redirect_uri');
    visited ??= alice.allow(url).then((query) => fetch(`${redirect}?${query}`));
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const code = await new Promise((resolve) => child.once('close', resolve));
  await visited;
  assert.equal(code, 0, said);
  assert.match(said, /3 passed, 0 failed/);
});
