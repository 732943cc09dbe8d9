import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as plain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import {
  CONTROL_ID,
  encodeMessage,
  type GatewayIdentity,
  gatewayId,
  LINK_NAME,
  LINK_TLS,
} from '../../src/contract/control-link.ts';
import type { ToGateway } from '../../src/contract/zone-link.ts';
import { keepDialled } from '../../src/control-plane/gateways/dial.ts';
import { readMessage } from '../../src/control-plane/gateways/messages.ts';
import { type Leaf, zoneCertificate } from '../../src/control-plane/pki/certificates.ts';
import { openPki, type Pki } from '../../src/control-plane/pki/pki.ts';
import { type ControlListener, controlListener } from '../../src/gateway/control-link/listener.ts';
import { clock } from '../../src/main/clock.ts';
import { verifies } from '../support/verifies.ts';

let pki: Pki;
/** Another installation, with the same names. */
let other: Pki;
let gateway: ControlListener;
let port = 0;
let heard: ToGateway[] = [];
let reported: string[] = [];
let downs = 0;
let isHeard = (): void => undefined;
const identity = async (of: Pki, name: string): Promise<GatewayIdentity> => {
  const { key, cert } = await of.zones.gateway(name);
  return { gateway: name, key, cert, authority: of.zones.caPem, bundleKey: of.bundleKey.publicPem };
};

const [mine, theirs] = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'innerkeep-test-'))) as [string, string];
before(async () => {
  [pki, other] = [await openPki(mine, Date.now), await openPki(theirs, Date.now)];
  gateway = controlListener(await identity(pki, 'edge-1'), {
    up: () => undefined,
    message(message) {
      heard.push(message);
      isHeard();
    },
    down: () => void downs++,
    report: (detail) => void reported.push(detail),
  });
  port = await gateway.listen({ host: '127.0.0.1', port: 0 });
});
after(() => {
  gateway.close();
  for (const state of [mine, theirs]) rmSync(state, { recursive: true });
});
beforeEach(() => {
  [heard, reported, downs] = [[], [], 0];
});

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));

/** Dials as somebody, says a word, and waits for the end: whether the word was heard is seen at the gateway. */
async function attempt(options: ConnectionOptions): Promise<void> {
  const socket = connect({
    ...LINK_TLS,
    host: '127.0.0.1',
    port,
    servername: LINK_NAME,
    rejectUnauthorized: false,
    ...options,
  });
  socket.on('error', () => undefined);
  socket.on('secureConnect', () => void socket.write(encodeMessage({ kind: 'status' })));
  await closed(socket);
}

async function asControl(): Promise<TLSSocket> {
  const { key, cert } = await pki.zones.control();
  const socket = connect({
    ...LINK_TLS,
    host: '127.0.0.1',
    port,
    servername: LINK_NAME,
    rejectUnauthorized: false,
    key,
    cert,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}
const said = () =>
  new Promise<void>((resolve) => {
    isHeard = resolve;
  });

const impostors: Readonly<Record<string, () => Promise<ConnectionOptions>>> = {
  'nobody, without a certificate': async () => ({}),
  'a stolen certificate of zone 1': () => pki.zones.gateway('edge-1'),
  'a certificate of the edge': () => pki.leaf(['localhost']),
  'zone 0 of another installation': () => other.zones.control(),
  'zone 0 by name, at the wrong end of a connection': async () => {
    // What zone 1 could make of an authority that signs names alone.
    const { leaf } = await forged(CONTROL_ID, 'listens');
    return leaf;
  },
  'another zone of the same authority': async () => (await forged('spiffe://innerkeep.internal/runtime', 'dials')).leaf,
  'a gateway that may dial': async () => (await forged(gatewayId('edge-1'), 'dials')).leaf,
  'zone 0 by TLS 1.2': async () => ({
    ...(await pki.zones.control()),
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'DEFAULT',
  }),
  'zone 0 without a server name': async () => ({ ...(await pki.zones.control()), servername: '' }),
  'zone 0 with the name of the edge': async () => ({ ...(await pki.zones.control()), servername: 'localhost' }),
};

/** Signed by the very authority of the zones: it is the name, and the end, that are not right. */
async function forged(uri: string, end: 'dials' | 'listens'): Promise<{ leaf: Leaf }> {
  return {
    leaf: await zoneCertificate(createPrivateKey(readFileSync(join(mine, 'pki/zones.key'))), uri, end, Date.now()),
  };
}

for (const [who, options] of Object.entries(impostors))
  test(`a gateway does not hear ${who}`, { timeout: 120_000 }, async () => {
    verifies('transport.tls13', 'transport.sni');
    await attempt(await options());
    assert.deepEqual(heard, []);
    assert.equal(reported.length > 0, true);
    // Zone 0 itself is heard all the while.
    const control = await asControl();
    const word = said();
    control.write(encodeMessage({ kind: 'status' }));
    await word;
    assert.deepEqual(heard, [{ kind: 'status' }]);
    control.destroy();
  });

test('who says nothing is cut off, and keeps nobody out', { timeout: 120_000 }, async () => {
  const silent = Array.from({ length: 40 }, () =>
    plain({ host: '127.0.0.1', port })
      .on('error', () => undefined)
      .resume(),
  );
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  const control = await asControl();
  const word = said();
  control.write(encodeMessage({ kind: 'pulse' }));
  await word;
  await Promise.all(silent.map(closed));
  assert.deepEqual(heard, [{ kind: 'pulse' }]);
  control.destroy();
});

test('the newest connection of zone 0 is the one: what comes over an older one is not heard', {
  timeout: 120_000,
}, async () => {
  const [older, newer] = [await asControl(), await asControl()];
  await closed(older);
  const word = said();
  newer.write(encodeMessage({ kind: 'pulse' }));
  await word;
  assert.deepEqual(heard, [{ kind: 'pulse' }]);
  newer.destroy();
});

test('a message that is too large, not JSON or cut off in UTF-8 ends the connection before it is read', {
  timeout: 120_000,
}, async () => {
  const length = Buffer.from([0x7f, 0xff, 0xff, 0xff]);
  for (const bytes of [length, Buffer.from([0, 0, 0, 1, 0x7b]), Buffer.from([0, 0, 0, 1, 0xc3])]) {
    const control = await asControl();
    control.write(bytes);
    await closed(control);
  }
  assert.deepEqual(heard, []);
});

/** Zone 0 dials what shows this certificate; why it does not speak to it. */
async function dialledAt(
  leaf: { key: string; cert: string },
  talk = (_: TLSSocket): void => undefined,
): Promise<string> {
  const words: Buffer[] = [];
  const server = createServer({ ...LINK_TLS, ...leaf, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('data', (chunk) => words.push(chunk)).on('error', () => undefined);
    talk(socket);
  });
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const at = typeof address === 'object' && address !== null ? address.port : 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  const dialled = keepDialled({
    gateway: 'edge-1',
    address: { host: '127.0.0.1', port: at },
    authority: pki.zones.caPem,
    leaf: () => pki.zones.control(),
    clock,
    up: () => undefined,
    message: ({ kind }) => resolve(`it said ${kind}`),
    down: resolve,
  });
  const reason = await promise;
  dialled.close();
  server.close();
  if (reason.startsWith('no connection')) assert.equal(Buffer.concat(words).length, 0, 'zone 0 has said something');
  return reason;
}

test('zone 0 says nothing to an impostor of a gateway', { timeout: 120_000 }, async () => {
  verifies('transport.tls13');
  assert.match(await dialledAt(await pki.zones.gateway('edge-2')), /not the gateway edge-1: URI:.*edge-2/);
  assert.match(await dialledAt(await other.zones.gateway('edge-1')), /no connection: .*(verify|signature|issuer)/);
  assert.match(await dialledAt(await pki.leaf(['localhost'])), /no connection: /);
  assert.match(await dialledAt(await pki.zones.control()), /no connection: .*purpose/);
  assert.match(await dialledAt((await forged(gatewayId('edge-1'), 'dials')).leaf), /no connection: .*purpose/);
});

test('zone 0 hangs up on a gateway that says what it may not, or what has no end', { timeout: 120_000 }, async () => {
  const own = await pki.zones.gateway('edge-1');
  const says = (message: object) => dialledAt(own, (socket) => void socket.write(encodeMessage(message)));
  assert.equal(await says({ kind: 'counts', calls: 0, refusals: {}, memory: 1 }), 'it said counts');
  assert.match(await says({ kind: 'bundle', envelope: '' }), /is no message/);
  assert.match(await says({ kind: 'status', serving: true, __proto__x: 1 }), /is no message/);
  assert.match(await says({ kind: 'lease', id: 1, wish: { server: 'notes' } }), /is no message/);
  const twice = '{"kind":"revoke","leases":[],"leases":["x"]}';
  assert.throws(() => readMessage(twice), /duplicate key/);
  assert.match(await dialledAt(own, (socket) => void socket.write(Buffer.from([0x7f, 0, 0, 0]))), /are the most/);
});
