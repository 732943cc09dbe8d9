import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { verifies } from '../support/verifies.ts';
import { type Bench, openBench } from './bench.ts';

let bench: Bench;
before(async () => {
  bench = await openBench({ limits: { body: 300, headers: 1_000 } });
});
after(() => bench.close());

/** Opens a TLS connection and gives what came of it: the protocol, or the error's code. */
async function shake(options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: bench.port, ca: bench.identity.cert, ...options });
  try {
    const [which] = await Promise.race([
      once(socket, 'secureConnect').then(() => ['secure']),
      once(socket, 'close').then(() => ['closed']),
    ]);
    return which === 'secure' ? `${socket.getProtocol()} ${socket.getCipher().standardName}` : 'closed';
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

test('speaks TLS 1.3 with AES-256-GCM and X25519, and nothing else', async () => {
  verifies('transport.tls13');
  assert.equal(await shake({ servername: 'localhost' }), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
  for (const ecdhCurve of ['X25519', 'X25519MLKEM768'])
    assert.equal(await shake({ servername: 'localhost', ecdhCurve }), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
  assert.match(await shake({ servername: 'localhost', maxVersion: 'TLSv1.2' }), /^ERR_SSL|ECONNRESET/);
  assert.match(
    await shake({ servername: 'localhost', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }),
    /^ERR_SSL|ECONNRESET/,
  );
  for (const ecdhCurve of ['P-256', 'P-384', 'P-521', 'X448', 'SecP256r1MLKEM768', 'ffdhe2048'])
    assert.match(await shake({ servername: 'localhost', ecdhCurve }), /^ERR_SSL|ECONNRESET/, ecdhCurve);
  assert.match(await shake({ servername: 'localhost', ALPNProtocols: ['h2'] }), /^ERR_SSL|ECONNRESET/);
});

test('refuses a handshake without SNI, or with a name that is not ours, and reports it', async () => {
  verifies('transport.sni');
  assert.notEqual((await shake({ servername: 'KEEP.test' })).slice(0, 7), 'closed');
  assert.match(await shake({}), /^ERR_SSL|ECONNRESET|closed/);
  assert.match(await shake({ servername: 'other.example' }), /^ERR_SSL|ECONNRESET|closed/);
  const told = bench.events.filter(({ kind }) => kind === 'tls').map(({ detail }) => detail);
  assert.ok(told.includes('unknown server name'), told.join('\n'));
  assert.ok(
    told.some((detail) => /no suitable signature algorithm/.test(detail)),
    told.join('\n'),
  );
});

test('no session resumes, under its own name, another of ours, a foreign one, or none', async () => {
  verifies('transport.sni');
  const options = {
    host: '127.0.0.1',
    port: bench.port,
    ca: bench.identity.cert,
    checkServerIdentity: () => undefined,
  };
  const first = connect({ ...options, servername: 'localhost' });
  const [session] = await once(first, 'session');
  first.destroy();
  const again = async (servername?: string): Promise<string> => {
    const socket = connect({ ...options, session, ...(servername && { servername }) });
    const over = once(socket, 'close').then(() => 'closed');
    try {
      const shaken = once(socket, 'secureConnect').then(() => (socket.isSessionReused() ? 'resumed' : 'anew'));
      return await Promise.race([shaken, over]);
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    } finally {
      socket.destroy();
    }
  };
  for (const ours of ['localhost', 'keep.test']) assert.equal(await again(ours), 'anew');
  for (const foreign of ['other.example', undefined]) assert.match(await again(foreign), /^ERR_SSL|ECONNRESET|closed/);
});

test('agrees with openssl about all of this', {
  skip: spawnSync('openssl', ['version']).error !== undefined && 'openssl is not there',
}, async () => {
  verifies('transport.tls13', 'transport.sni');
  // The edge lives in this process, so openssl has to run beside it.
  const ask = (...args: string[]) => spawnOpenssl(bench.port, args);
  await Promise.all([
    ask('-servername', 'localhost').then((out) => assert.match(out, /TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384/)),
    ask('-noservername').then((out) => assert.doesNotMatch(out, /BEGIN CERTIFICATE/)),
    ask('-servername', 'localhost', '-tls1_2').then((out) => assert.doesNotMatch(out, /BEGIN CERTIFICATE/)),
  ]);
});

async function spawnOpenssl(port: number, args: readonly string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  await once(child, 'close');
  return out;
}
