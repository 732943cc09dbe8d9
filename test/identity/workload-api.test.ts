import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parseBundle, TrustBundleError } from '../../src/control-plane/pki/spiffe/trust-bundle.ts';
import { fields, MalformedMessage, mapEntry } from '../../src/control-plane/pki/spiffe/workload-api/protobuf.ts';
import { workloadApi } from '../../src/control-plane/pki/spiffe/workload-api/workload-api.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { authority, certificate } from './support/authority.ts';

const DOMAIN = 'spiffe://example.org';

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}
const field = (number: number, value: Uint8Array): Buffer =>
  Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
/** One entry of a `map<string, bytes>`. */
const entry = (number: number, key: string, value: Uint8Array): Buffer =>
  field(number, Buffer.concat([field(1, Buffer.from(key)), field(2, value)]));
function frame(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
const x509Frame = (...ders: readonly Uint8Array[]): Buffer => frame(entry(2, DOMAIN, Buffer.concat(ders)));
const jwtFrame = frame(
  entry(1, DOMAIN, Buffer.from('{"keys":[{"kty":"EC","use":"jwt-svid"},{"kty":"EC","use":"x"}]}')),
);

/** A Workload API that says what the test makes it say. */
async function endpoint(
  t: TestContext,
  x509: (stream: ServerHttp2Stream) => void,
  jwt?: (stream: ServerHttp2Stream) => void,
) {
  const path = join(scratch(t), 'w.sock');
  const heads: Record<string, unknown>[] = [];
  const server = createServer();
  server.on('stream', (stream, headers) => {
    heads.push(headers);
    stream.on('error', () => {});
    if (String(headers[':path']).endsWith('FetchX509Bundles')) x509(stream);
    else (jwt ?? ((one) => says(one, jwtFrame)))(stream);
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.listen(path);
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { path, heads };
}

function says(stream: ServerHttp2Stream, ...frames: readonly Buffer[]): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  for (const one of frames) stream.write(one);
}
const ends = (stream: ServerHttp2Stream, code: number, message: string): void =>
  stream.respond({ ':status': 200, 'grpc-status': `${code}`, 'grpc-message': message }, { endStream: true });

test('takes the bundle of its own trust domain, each that comes after it, and goes on when the endpoint was away', async (t) => {
  verifies('authn.workload');
  const [one, two, foreign] = [
    await authority('one', Date.now()),
    await authority('two', Date.now()),
    await authority('x', Date.now()),
  ];
  const streams: ServerHttp2Stream[] = [];
  const other = entry(2, 'spiffe://other.example', foreign.der);
  const { path, heads } = await endpoint(t, (stream) => {
    streams.push(stream);
    says(stream, frame(Buffer.concat([other, entry(2, DOMAIN, one.der)])));
  });
  let told = () => {};
  const faults: string[] = [];
  const source = await workloadApi(path, 'example.org', { changed: () => told(), fault: (text) => faults.push(text) });
  t.after(() => source.close());
  assert.deepEqual([source.current().x509.length, source.current().jwt], [1, [{ kty: 'EC' }]]);
  assert.deepEqual(
    heads.map((head) => head['workload.spiffe.io']),
    ['true', 'true'],
  );
  const next = (act: () => void) =>
    new Promise<void>((resolve) => {
      told = resolve;
      act();
    });
  // In two pieces, and two in one.
  const update = x509Frame(one.der, two.der);
  await next(() => {
    streams[0]?.write(Buffer.concat([x509Frame(one.der), update.subarray(0, 9)]));
    streams[0]?.write(update.subarray(9));
  });
  assert.equal(source.current().x509.length, 2);
  await next(() => streams[0]?.destroy());
  assert.deepEqual([source.current().x509.length, faults.length], [1, 1]);
});

test('refuses what is not the bundle of this trust domain in a message of gRPC, and says why', async (t) => {
  verifies('authn.workload');
  const now = Date.now();
  const [good, leaf] = [await authority('one', now), await certificate('leaf', now)];
  const cases: [string, (stream: ServerHttp2Stream) => void, RegExp][] = [
    ['nobody is known', (stream) => ends(stream, 7, 'no identity issued'), /no identity issued/],
    [
      'another domain',
      (stream) => says(stream, frame(entry(2, 'spiffe://other.example', good.der))),
      /no bundle of spiffe:\/\/example\.org/,
    ],
    ['a leaf', (stream) => says(stream, x509Frame(leaf.der)), /no authority's certificate/],
    ['no certificate', (stream) => says(stream, x509Frame(Buffer.from('3003020101', 'hex'))), /cannot be read/],
    ['half of one', (stream) => says(stream, x509Frame(good.der.subarray(0, 99))), /no DER/],
    ['compressed', (stream) => says(stream, frame(good.der, 1)), /compressed/],
    ['without end', (stream) => says(stream, Buffer.from('00ffffffff', 'hex')), /4294967295 bytes/],
    ['no protocol buffers', (stream) => says(stream, frame(Buffer.from('ffffffffffffff', 'hex'))), /more than 32 bits/],
    ['HTTP', (stream) => stream.respond({ ':status': 404 }, { endStream: true }), /the call was ended/],
    ['silence', () => {}, /no answer/],
  ];
  for (const [name, x509, message] of cases) {
    const { path } = await endpoint(t, x509);
    await assert.rejects(workloadApi(path, 'example.org', { changed() {}, fault() {} }, 300), (error) => {
      assert.ok(error instanceof TrustBundleError, name);
      assert.match(error.message, message, name);
      return true;
    });
  }
});

test('an endpoint without JWT-SVIDs gives none', async (t) => {
  const { der } = await authority('one', Date.now());
  const { path } = await endpoint(
    t,
    (stream) => says(stream, x509Frame(der)),
    (stream) => ends(stream, 12, 'no'),
  );
  const source = await workloadApi(path, 'example.org', { changed() {}, fault() {} });
  assert.deepEqual(source.current().jwt, []);
  source.close();
});

test('reads protocol buffers as they are written, and nothing else without saying so', () => {
  const key = fc.string({ unit: 'binary' });
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, bytes), { selector: ([name]) => name, maxLength: 5 }), (entries) => {
      const noise = Buffer.from('08ac02' + '1d00000000' + '210000000000000000', 'hex');
      const message = Buffer.concat([noise, ...entries.map(([name, value]) => entry(2, name, value))]);
      for (const [name, value] of entries)
        assert.deepEqual(Buffer.from(mapEntry(message, 2, name) ?? []), Buffer.from(value));
      assert.equal(mapEntry(message, 1, entries[0]?.[0] ?? ''), undefined);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (message) => {
      try {
        for (const { value } of fields(message)) assert.ok(value.length <= message.length);
      } catch (error) {
        assert.ok(error instanceof MalformedMessage, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a bundle in a file is the SPIFFE document or PEM, and has an authority', async () => {
  const { der, pem } = await authority('one', Date.now());
  const x5c = [Buffer.from(der).toString('base64')];
  const keys = [
    { use: 'x509-svid', kty: 'EC', x5c },
    { use: 'jwt-svid', kid: 'k' },
    { use: 'sig', kid: 'x' },
    { kid: 'y' },
  ];
  const read = parseBundle(JSON.stringify({ spiffe_sequence: 1, spiffe_refresh_hint: 300, keys }));
  assert.deepEqual([read.x509.length, read.jwt], [1, [{ kid: 'k' }]]);
  assert.equal(parseBundle(`# two\n${pem}\n${pem}\n`).x509.length, 2);
  const leaf = await certificate('leaf', Date.now());
  for (const bad of ['', '{}', '{"keys":[]}', '{"keys":7}', '{', leaf.pem, pem.replace(/[A-Z]{9}/, 'AAAAAAAAA')])
    assert.throws(() => parseBundle(bad), TrustBundleError, bad);
});
