import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { ByteReader, EndOfInput } from '../../src/runtime/egress/byte-reader.ts';
import { type ClientHello, NotTls, peekClientHello } from '../../src/runtime/egress/client-hello.ts';
import { verifies } from '../support/verifies.ts';
import { clientHello, encryptedClientHello, fragmented, serverName } from './support/hello.ts';

const PATIENCE = 10_000;

/** What is seen in these chunks, and what is left to be read after that. */
async function peeked(...chunks: readonly Uint8Array[]): Promise<{ hello: ClientHello; rest: Buffer }> {
  const stream = new PassThrough();
  const reader = new ByteReader(stream, PATIENCE);
  const peeking = peekClientHello(reader);
  // A refusal may come before the last chunk.
  peeking.catch(() => {});
  for (const chunk of chunks) {
    stream.write(chunk);
    await new Promise(setImmediate);
  }
  stream.end();
  const hello = await peeking;
  return { hello, rest: Buffer.concat([reader.bytes, ...(await stream.toArray())]) };
}

test('the name is found however the bytes are cut, and all of them are still to be read', async () => {
  verifies('sandbox.egress');
  const hello = clientHello([serverName('api.example.org')]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 4, max: 200 }), fc.array(fc.nat(300), { maxLength: 4 }), async (size, cuts) => {
      const bytes = Buffer.concat([fragmented(hello, size), Buffer.from('more')]);
      const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
      const seen = await peeked(...chunks.filter((chunk) => chunk.length > 0));
      assert.deepEqual(seen.hello, { serverName: 'api.example.org', encrypted: false });
      assert.ok(seen.rest.equals(bytes));
    }),
    { numRuns: 60 },
  );
});

test('it reads what node says, whichever version it offers', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const wire = new PassThrough();
    const said = new Promise<Buffer>((resolve) => wire.once('data', resolve));
    const { Duplex } = await import('node:stream');
    const socket = Duplex.from({ writable: wire, readable: new PassThrough() });
    const client = connect({ socket, servername: 'api.example.org', maxVersion });
    client.on('error', () => {});
    const { hello } = await peeked(await said);
    client.destroy();
    assert.deepEqual(hello, { serverName: 'api.example.org', encrypted: false }, maxVersion);
  }
});

test('a hidden name is seen to be hidden', async () => {
  verifies('sandbox.egress');
  const { hello } = await peeked(clientHello([serverName('api.example.org'), encryptedClientHello()]));
  assert.equal(hello.encrypted, true);
});

test('bytes that are no ClientHello, in one byte or in thousands, are refused and never wait for more', async () => {
  verifies('sandbox.egress');
  const hello = clientHello([serverName('api.example.org')]);
  await fc.assert(
    fc.asyncProperty(fc.nat(hello.length - 1), fc.nat(255), async (at, value) => {
      const bent = Buffer.from(hello);
      bent[at] = value;
      const outcome = await peeked(bent).catch((error) => error);
      const refused = outcome instanceof NotTls || outcome instanceof EndOfInput;
      assert.ok(refused || typeof outcome.hello.encrypted === 'boolean', String(outcome));
    }),
    { numRuns: 500 },
  );
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.of(22, 2),
    Buffer.of(22, 3, 1, 0, 0),
    Buffer.alloc(20_000, 22),
  ])
    await assert.rejects(peeked(bytes), NotTls);
  const endless = Buffer.concat([Buffer.of(22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff), Buffer.alloc(30_000)]);
  await assert.rejects(peeked(endless), NotTls);
});
