import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { GatewayBundle } from '../../src/contract/bundle.ts';
import { Registry } from '../../src/control-plane/policy-registry/registry.ts';
import { bundleSigner } from '../../src/control-plane/policy-registry/sign-bundle.ts';
import { Silence } from '../../src/gateway/bundles/silence.ts';
import { scratch } from '../support/scratch.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const signer = bundleSigner(String(privateKey.export({ format: 'pem', type: 'pkcs8' })));
const bundle = (text: string): Omit<GatewayBundle, 'version'> => ({
  edge: { origin: 'https://localhost', serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 1 },
  issuers: [],
  revoked: [],
  policies: [{ file: 'p.cedar', text }],
  servers: [],
  limits: {
    perSubject: { interval: 600, burst: 20 },
    perSource: { interval: 200, burst: 100 },
    inFlight: { total: 100, perServer: 100 },
  },
  stops: [],
  stateSeals: [],
  away: 1,
});
const push = { kind: 'push', who: 'ada', why: 'because' } as const;

function filled(t: TestContext) {
  const state = scratch(t);
  const open = () => new Registry(state, signer, () => Date.parse('2026-11-29T08:00:00Z'));
  const registry = open();
  for (const text of ['one', 'two', 'one']) registry.add(bundle(text), push);
  const file = (number: number) => join(state, 'registry/versions', `${String(number).padStart(10, '0')}.json`);
  return { state, open, registry, file, contents: join(state, 'registry/contents') };
}

test('every version is there after a restart: who, when, why, what; numbers go on, each names the one before', (t) => {
  const { open, registry, contents } = filled(t);
  const again = open();
  assert.deepEqual(again.versions, registry.versions);
  const { digest, version } = again.add(bundle('three'), push);
  const [first, second, third, fourth] = again.versions;
  assert.ok(first && second && third && fourth);
  assert.deepEqual([fourth.digest, fourth.version, fourth.previous], [digest, version, third.digest]);
  assert.deepEqual([first.who, first.why, first.when], ['ada', 'because', '2026-11-29T08:00:00.000Z']);
  assert.deepEqual(again.content(second).policies, [{ file: 'p.cedar', text: 'two' }]);
  // What was said before is not kept twice.
  assert.equal(first.content, third.content);
  assert.equal(readdirSync(contents).length, 3);
});

test('a process that died while it wrote has written nothing: no version is half there, and no number is lost', (t) => {
  const { state, open, file } = filled(t);
  writeFileSync(join(state, 'registry/versions', '.0123456789abcdef.tmp'), '{"version":4,"dig');
  writeFileSync(join(state, 'registry/contents', '.0123456789abcdef.tmp'), '{"poli');
  assert.equal(open().add(bundle('three'), push).version, 4);
  // Two of them at once: one number is signed, and the other does not come into force.
  const [one, two] = [open(), open()];
  one.add(bundle('by one'), push);
  assert.throws(() => two.add(bundle('by two'), push), /0000000005\.json exists already/);
  assert.match(readFileSync(file(5), 'utf8'), new RegExp(one.newest?.digest ?? 'no version'));
});

test('refuses a history that was cut, changed, put in another order or filled in, naming the file', (t) => {
  const harm: readonly ((room: ReturnType<typeof filled>) => void)[] = [
    ({ file }) => rmSync(file(2)),
    ({ file }) => rmSync(file(1)),
    ({ file }) => writeFileSync(file(2), ''),
    ({ file }) => writeFileSync(file(2), readFileSync(file(2), 'utf8').replace(/"digest":"./, '"digest":"_')),
    ({ file }) => writeFileSync(file(2), readFileSync(file(3), 'utf8')),
    ({ file }) => writeFileSync(file(4), readFileSync(file(3), 'utf8').replace('"version":3', '"version":4')),
    ({ file }) => writeFileSync(file(3), readFileSync(file(3), 'utf8').replace('"who"', '"whom"')),
  ];
  for (const [at, act] of harm.entries()) {
    const room = filled(t);
    act(room);
    assert.throws(room.open, /versions\/000000000\d\.json/, `case ${at}`);
  }
  const { registry, contents } = filled(t);
  for (const name of readdirSync(contents)) writeFileSync(join(contents, name), '{"policies":[],"servers":[]}');
  for (const version of registry.versions)
    assert.throws(() => registry.content(version), /not there as it was written/);
});

test('property: silence is never taken for shorter than it is, whatever was kept and however the clock was set', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.integer({ min: -1e9, max: 1e9 }), fc.nat(1e9), (before, set, since) => {
      let elapsed = 0;
      const silence = new Silence(() => elapsed);
      const heard = 1e12;
      // It was silent for `before` while nobody ran; meanwhile somebody has set the clock by `set`.
      silence.broken(heard, { now: () => heard + before + set });
      elapsed += since;
      const isSetBack = before + set < -5 * 60_000;
      if (isSetBack) assert.equal(silence.lasts, Number.POSITIVE_INFINITY);
      else assert.equal(silence.lasts, Math.max(0, before + set) + since);
      silence.heard();
      elapsed += 7;
      assert.equal(silence.lasts, 7);
      silence.broken(undefined, { now: () => heard });
      assert.equal(silence.lasts, Number.POSITIVE_INFINITY);
    }),
  );
});
