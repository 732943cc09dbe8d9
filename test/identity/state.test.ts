import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { openIssuer } from '../../src/control-plane/issuer/issuer.ts';
import { openPki } from '../../src/control-plane/pki/pki.ts';
import { replaceFile, StateError, writeNew } from '../../src/control-plane/pki/state-files.ts';
import { scratch } from '../support/scratch.ts';
import { MCP, ORIGIN } from './support/gateway.ts';

const DAY = 24 * 3600 * 1000;
const at = Date.parse('2026-11-22T12:00:00Z');

test('the authorities and the signing keys are made once; keys are readable by their owner alone', async (t) => {
  const state = join(scratch(t), 'state');
  const first = await openPki(state, () => at);
  const second = await openPki(state, () => at + 300 * DAY);
  assert.equal(second.caPem, first.caPem);
  assert.deepEqual(second.auditKey, first.auditKey);
  assert.equal(readFileSync(first.caFile, 'utf8'), first.caPem);
  const modes = Object.fromEntries(
    readdirSync(join(state, 'pki')).map((file) => [file, statSync(join(state, 'pki', file)).mode & 0o777]),
  );
  const [keys, open] = [
    ['ca', 'zones', 'audit', 'bundle'],
    ['ca', 'zones', 'audit.pub', 'bundle.pub'],
  ];
  const expected = [...keys.map((name) => [`${name}.key`, 0o600]), ...open.map((name) => [`${name}.pem`, 0o644])];
  assert.deepEqual(modes, Object.fromEntries(expected));
  assert.equal(statSync(state).mode & 0o777, 0o700);
  assert.equal(statSync(join(state, 'pki')).mode & 0o777, 0o700);
  const signature = sign(null, Buffer.from('chain head'), createPrivateKey(first.auditKey.privatePem));
  const publicKey = createPublicKey(readFileSync(first.auditKey.publicFile));
  assert.ok(verify(null, Buffer.from('chain head'), publicKey, signature));
});

test('a leaf is good for its names, under TLS 1.3, for thirty days, and may sign nothing', async (t) => {
  const pki = await openPki(scratch(t), Date.now);
  const leaf = await pki.leaf(['localhost', '127.0.0.1', '::1', 'mcp.Example.org']);
  const certificate = new X509Certificate(leaf.cert);
  assert.equal(certificate.ca, false);
  assert.ok(certificate.checkIssued(new X509Certificate(pki.caPem)));
  assert.equal(certificate.validToDate.getTime(), leaf.notAfter);
  assert.ok(leaf.notAfter - Date.now() <= 30 * DAY);
  assert.equal(certificate.checkHost('mcp.example.org'), 'mcp.example.org');
  assert.equal(certificate.checkHost('other.example.org'), undefined);
  const another = await pki.leaf(['localhost']);
  assert.notEqual(another.key, leaf.key);
  assert.notEqual(new X509Certificate(another.cert).serialNumber, certificate.serialNumber);

  const server = createServer({
    key: leaf.key,
    cert: leaf.cert,
    minVersion: 'TLSv1.3',
    sigalgs: 'ecdsa_secp256r1_sha256',
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const socket = await new Promise<TLSSocket>((done, reject) => {
    const opened = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: pki.caPem }, () => done(opened));
    opened.once('error', reject);
  });
  assert.equal(socket.getProtocol(), 'TLSv1.3');
  socket.destroy();
  for (const name of [
    '',
    '*.example.org',
    'a b',
    'x'.repeat(64),
    'a..b',
    '-a',
    'a\n',
    '[::1]',
    '::1%eth0',
    ':',
    '::1]/',
  ]) {
    await assert.rejects(pki.leaf([name]), RangeError);
  }
  await assert.rejects(pki.leaf([]), RangeError);
});

test('refuses state that other users can read, that contradicts itself, or that has expired', async (t) => {
  const fresh = async () => {
    const state = join(scratch(t), 'state');
    await openPki(state, () => at);
    return { state, file: (name: string) => join(state, 'pki', name) };
  };
  const refuses = (state: string, message: RegExp, now = at) =>
    assert.rejects(
      openPki(state, () => now),
      (error) => error instanceof StateError && message.test(error.message),
    );

  const open = await fresh();
  chmodSync(open.file('ca.key'), 0o640);
  await refuses(open.state, /open to other users; chmod go-rwx/);
  chmodSync(open.file('ca.key'), 0o600);
  chmodSync(join(open.state, 'pki'), 0o755);
  await refuses(open.state, /open to other users/);
  chmodSync(join(open.state, 'pki'), 0o700);
  chmodSync(open.state, 0o777);
  await refuses(open.state, /can be changed by other users/);
  chmodSync(open.state, 0o755);
  await openPki(open.state, () => at);
  await refuses(open.state, /has expired/, at + 3651 * DAY);

  const [one, two] = [await fresh(), await fresh()];
  const theirs = readFileSync(two.file('ca.pem'));
  writeFileSync(one.file('ca.pem'), theirs);
  await refuses(one.state, /does not belong to ca.key/);
  rmSync(two.file('ca.key'));
  await refuses(two.state, /ca.key is missing/);
  assert.deepEqual(readFileSync(two.file('ca.pem')), theirs);
  rmSync(two.file('ca.pem'));
  symlinkSync(one.file('ca.key'), two.file('ca.key'));
  await refuses(two.state, /not a regular file/);

  const three = await fresh();
  writeFileSync(three.file('audit.key'), 'nonsense');
  await refuses(three.state, /not a private key/);
  writeFileSync(three.file('audit.key'), readFileSync(three.file('ca.key')));
  await refuses(three.state, /not of type ed25519/);
});

test('a start that was cut off between key and certificate is finished by the next', async (t) => {
  const state = join(scratch(t), 'state');
  await openPki(state, () => at);
  const key = readFileSync(join(state, 'pki', 'ca.key'), 'utf8');
  rmSync(join(state, 'pki', 'ca.pem'));
  rmSync(join(state, 'pki', 'audit.pub.pem'));
  await openPki(state, () => at);
  assert.equal(readFileSync(join(state, 'pki', 'ca.key'), 'utf8'), key);
});

test('a file is written whole, never over another one, and leaves nothing beside it', (t) => {
  const directory = scratch(t, { taken: 'old' });
  assert.throws(() => writeNew(join(directory, 'taken'), 'new'), StateError);
  assert.equal(readFileSync(join(directory, 'taken'), 'utf8'), 'old');
  replaceFile(join(directory, 'taken'), 'new');
  writeNew(join(directory, 'fresh'), 'text');
  assert.deepEqual(readdirSync(directory).sort(), ['fresh', 'taken']);
  assert.equal(readFileSync(join(directory, 'taken'), 'utf8'), 'new');
});

test('the issuer keeps its keys and its revocations across a restart, and refuses a list that it cannot read', async (t) => {
  const stateDir = scratch(t);
  const open = (now = at) => openIssuer({ stateDir, issuerUrl: ORIGIN, resources: [MCP], now: () => now });
  const first = open();
  const token = await first.mint({ subject: 'alice', tenant: 'acme', audience: MCP, ttlSeconds: 24 * 3600 });
  const { jti } = first.revoke(token);
  first.revoke('an-id-that-the-operator-saw-in-the-log');
  const second = open();
  assert.deepEqual(second.jwks(), first.jwks());
  assert.deepEqual(second.revoked(), [jti, 'an-id-that-the-operator-saw-in-the-log']);
  assert.deepEqual(open(at + DAY + 30_000).revoked(), second.revoked());
  assert.deepEqual(open(at + DAY + 61_000).revoked(), []);
  for (const nonsense of ['', 'x', 'a.b.c', '../../etc/passwd']) assert.throws(() => second.revoke(nonsense), /token:/);
  writeFileSync(join(stateDir, 'issuer', 'revoked.json'), '{"a":');
  assert.throws(() => open(), StateError);
  for (const file of readdirSync(join(stateDir, 'issuer'))) {
    assert.equal(statSync(join(stateDir, 'issuer', file)).mode & 0o777, 0o600);
  }
});
