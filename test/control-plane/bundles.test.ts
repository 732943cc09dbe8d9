import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GatewayBundle } from '../../src/contract/bundle.ts';
import { MAX_ENVELOPE, signedBytes, writeEnvelope } from '../../src/contract/signed-bundle.ts';
import { bundleSigner } from '../../src/control-plane/policy-registry/sign-bundle.ts';
import { BundleRefused, keyIdOf, openBundle } from '../../src/gateway/bundles/open-bundle.ts';
import { verifies } from '../support/verifies.ts';

const pair = () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  return { privateKey, publicKey: createPublicKey(privateKey), signer: bundleSigner(pem) };
};
const zone0 = pair();
const stranger = pair();
const bundle = (version: number): GatewayBundle => ({
  version,
  edge: { origin: 'https://localhost', serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 1 },
  issuers: [],
  revoked: ['é\u2028"\\', 'jti'],
  policies: [{ file: 'p.cedar', text: 'permit (principal, action, resource);' }],
  servers: [],
  stops: [],
  stateSeals: [],
  limits: {
    perSubject: { interval: 600, burst: 20 },
    perSource: { interval: 200, burst: 100 },
    inFlight: { total: 100, perServer: 100 },
  },
  away: 1,
});
const open = (envelope: string, held?: { version: number; digest: string }) =>
  openBundle(envelope, zone0.publicKey, held);
const refused = (message: RegExp) => (error: unknown) => error instanceof BundleRefused && message.test(error.message);
/** An envelope of these bytes with a good signature, by whoever has the key. */
const sealed = (payload: string | Uint8Array, { privateKey, publicKey } = zone0, body = Buffer.from(payload)) =>
  writeEnvelope({
    payload: body.toString('base64'),
    keyId: keyIdOf(publicKey),
    signature: sign(null, signedBytes(body), privateKey).toString('base64'),
  });

test('what zone 0 signed is opened as it was signed; one content has one digest, however it was spelled', () => {
  const { envelope, digest } = zone0.signer.sign(bundle(7), null);
  const opened = open(envelope);
  assert.deepEqual(opened.bundle, JSON.parse(JSON.stringify(bundle(7))));
  assert.deepEqual([opened.version, opened.digest], [7, digest]);
  const turned = Object.fromEntries(Object.entries(bundle(7)).reverse()) as unknown as GatewayBundle;
  assert.equal(zone0.signer.sign(turned, null).digest, digest);
});

test('refuses unsigned, foreign and changed bundles before a byte of their content is parsed', () => {
  const { envelope } = zone0.signer.sign(bundle(1), null);
  assert.throws(() => open(JSON.stringify(bundle(1))), refused(/not a signed bundle/));
  assert.throws(
    () => open(JSON.stringify({ ...JSON.parse(envelope), signatures: [] })),
    refused(/not a signed bundle/),
  );
  assert.throws(() => open(stranger.signer.sign(bundle(1), null).envelope), refused(/not zone 0/));
  // The stranger's signature under zone 0's name for its key; zone 0's own for bytes of another type.
  const payload = Buffer.from('{"not":"JSON"');
  const keyId = keyIdOf(zone0.publicKey);
  const parts = { payload: payload.toString('base64'), keyId };
  const made = [sign(null, signedBytes(payload), stranger.privateKey), sign(null, payload, zone0.privateKey)];
  for (const signature of made)
    assert.throws(
      () => open(writeEnvelope({ ...parts, signature: signature.toString('base64') })),
      refused(/signature does not hold/),
    );
  // Only behind a good signature is it looked at.
  assert.throws(() => open(sealed(payload)), refused(/signed, and unreadable/));
});

test('refuses what is signed and no bundle: two meanings, no version, a version that is no number of bundles', () => {
  for (const text of [
    '{"previous":null,"bundle":{"version":1,"version":2}}',
    '{"previous":null,"bundle":{"version":1},"bundle":{"version":2}}',
    ...['{}', 'null', '[]', '{"bundle":[]}', '{"bundle":{}}'],
    ...['"1"', '0', '-1', '1.5', '1e400', '9007199254740993', 'null'].map((v) => `{"bundle":{"version":${v}}}`),
    `{"bundle":{"version":1,"x":${'['.repeat(200)}${']'.repeat(200)}}}`,
  ])
    assert.throws(() => open(sealed(text)), refused(/^signed, and /), text.slice(0, 80));
});

test('refuses a replay, an older version, a successor of another history, and takes what is newer', () => {
  const first = zone0.signer.sign(bundle(1), null);
  const second = zone0.signer.sign(bundle(2), first.digest);
  const fork = zone0.signer.sign(
    { ...bundle(2), revoked: [] },
    zone0.signer.sign({ ...bundle(1), revoked: [] }, null).digest,
  );
  const third = zone0.signer.sign(bundle(3), second.digest);
  assert.throws(() => open(second.envelope, second), refused(/replay/));
  assert.throws(() => open(first.envelope, second), refused(/not newer than 2/));
  assert.throws(() => open(fork.envelope, second), refused(/not newer/));
  assert.throws(() => open(fork.envelope, first), refused(/does not follow the bundle 1/));
  assert.equal(open(second.envelope, first).version, 2);
  // It was away meanwhile.
  assert.equal(open(third.envelope, first).version, 3);
});

test('refuses more than 32 MiB without looking further', () => {
  const huge = `${zone0.signer.sign(bundle(1), null).envelope}${' '.repeat(MAX_ENVELOPE)}`;
  assert.throws(() => open(huge), refused(/characters; \d+ are the most/));
});

test('property: no text but the signed one is taken, whatever is changed, cut, doubled or put into it', () => {
  verifies('authz.default-deny');
  const { envelope } = zone0.signer.sign(bundle(1), null);
  const at = fc.nat(envelope.length - 1);
  const hostile = fc.oneof(
    fc
      .tuple(at, fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }))
      .map(([i, s]) => envelope.slice(0, i) + s + envelope.slice(i + s.length)),
    fc.tuple(at, fc.string({ minLength: 1 })).map(([i, s]) => envelope.slice(0, i) + s + envelope.slice(i)),
    fc.tuple(at, fc.integer({ min: 1, max: 40 })).map(([i, n]) => envelope.slice(0, i) + envelope.slice(i + n)),
    at.map((i) => envelope.slice(0, i)),
    at.map((i) => envelope.slice(i)),
    fc.tuple(at, at).map(([i, j]) => envelope.slice(0, i) + envelope.slice(j)),
    fc.string({ unit: 'binary' }),
    fc.json(),
    // Other spellings of the same envelope, which a JSON parser would take.
    fc.constantFrom(
      ...[' ', '\n', '\ufeff'].flatMap((s) => [envelope + s, s + envelope]),
      JSON.stringify(JSON.parse(envelope), null, 1),
    ),
  );
  fc.assert(
    fc.property(hostile, (text) => {
      fc.pre(text !== envelope);
      assert.throws(() => open(text), BundleRefused);
    }),
    { numRuns: 3000 },
  );
});

test('property: whatever zone 0 signs is opened as that, byte for byte', () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (text, version) => {
      const content = { version, policies: [{ file: 'x', text }], more: JSON.parse(text) } as unknown as GatewayBundle;
      const { envelope, digest } = zone0.signer.sign(content, null);
      const opened = open(envelope);
      assert.deepEqual([opened.version, opened.digest], [version, digest]);
      assert.equal(JSON.stringify(opened.bundle.policies), JSON.stringify(content.policies));
    }),
  );
});
