import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SafetyError } from '../../src/control-plane/config/problem.ts';
import {
  type Attested,
  type RegistryKey,
  repositoryOf,
  verifyAttestations,
} from '../../src/control-plane/packages/attestation.ts';
import { addRooms } from '../support/add-rooms.ts';
import { integrityOf, type Published, registry } from '../support/registry.ts';
import { type Build, type Bundle, PROVENANCE, registryKey, type Statement, sigstore } from '../support/sigstore.ts';

const NAME = '@acme/inventory-server';
const purl = 'pkg:npm/%40acme/inventory-server@1.2.3';
const item: Published = {
  name: NAME,
  version: '1.2.3',
  manifest: { bin: 'main.js', repository: { type: 'git', url: 'git+https://github.com/acme/inventory.git' } },
  entries: [{ path: 'package/main.js', text: 'console.log(1)' }],
  signature: 'good',
};
const sha512 = Buffer.from(integrityOf(item).slice('sha512-'.length), 'base64').toString('hex');
const about = { name: NAME, version: '1.2.3', sha512, repository: 'github:acme/inventory' };

const served = (bundle: unknown, predicateType = PROVENANCE) =>
  JSON.stringify({ attestations: [{ predicateType, bundle }] });

/** What a counterparty's bundle is found to be. */
async function judged(
  t: TestContext,
  {
    statement,
    build,
    tamper = (bundle) => bundle,
    at,
    ask = {},
  }: {
    readonly statement?: Partial<Statement>;
    readonly build?: Build;
    readonly tamper?: (bundle: Bundle) => unknown;
    readonly at?: Date;
    readonly ask?: Partial<Attested>;
  },
): Promise<string | undefined> {
  const { root, attest } = await sigstore(t, at);
  const bundle = await attest({ purl, sha512, ...statement }, build);
  return verifyAttestations(served(tamper(bundle)), { ...about, ...ask }, root, []);
}

test('build provenance that holds names the workflow that built the package', async (t) => {
  assert.equal(await judged(t, {}), 'https://github.com/acme/inventory/.github/workflows/release.yml@refs/tags/v1');
  const long = `acme/${'inventory-'.repeat(12)}x`;
  assert.match((await judged(t, { build: { repository: long }, ask: { repository: long } })) ?? '', /release\.yml/);
});

const edited = (edit: (bundle: ReturnType<typeof JSON.parse>) => void) => (bundle: Bundle) => {
  const copy = JSON.parse(JSON.stringify(bundle));
  edit(copy);
  return copy;
};
const payload = (text: string) => Buffer.from(text).toString('base64');

for (const [what, attack, why] of [
  ['another tarball', { statement: { sha512: '00'.repeat(64) } }, /about another tarball/],
  ['another package', { statement: { purl: 'pkg:npm/acme-other@1.2.3' } }, /about pkg:npm\/acme-other/],
  ['another version', { statement: { purl: purl.replace('1.2.3', '1.2.2') } }, /about .*@1\.2\.2/],
  ['a build of another repository', { build: { repository: 'mallory/inventory' } }, /built from .*mallory/],
  [
    'a build of a repository with a longer name',
    { build: { repository: 'acme/inventory-2' } },
    /built from .*inventory-2/,
  ],
  ['a package that names no repository', { ask: { repository: undefined } }, /names none/],
  [
    'an issuer that is no build service',
    { build: { iss: 'https://accounts.example' } },
    /no build service that is known/,
  ],
  ['an issuer whose name begins like one', { build: { iss: 'https://gitlab.com.example' } }, /no build service/],
  [
    'another kind of statement than it is served as',
    { statement: { predicateType: 'https://example/x' } },
    /is served as/,
  ],
  ['a payload of another type', { statement: { payloadType: 'text/plain' } }, /no in-toto statement/],
  [
    'a payload that was changed after it was signed',
    {
      tamper: edited((bundle) => {
        bundle.dsseEnvelope.payload = payload(`{"subject":[{"name":"${purl}","digest":{"sha512":"${sha512}"}}]}`);
      }),
    },
    /do not hold/,
  ],
  [
    'a signature that was changed',
    {
      tamper: edited((bundle) => {
        bundle.dsseEnvelope.signatures[0].sig = payload('nobody');
      }),
    },
    /do not hold/,
  ],
  [
    'a bundle that no log has taken in',
    {
      tamper: edited((bundle) => {
        bundle.verificationMaterial.tlogEntries = [];
      }),
    },
    /do not hold/,
  ],
  [
    'a log entry of another time',
    {
      tamper: edited((bundle) => {
        bundle.verificationMaterial.tlogEntries[0].integratedTime = '1700000000';
      }),
    },
    /do not hold/,
  ],
  ['a certificate that had expired when it signed', { at: new Date(Date.now() - 86_400_000) }, /do not hold/],
  [
    'no certificate and a key that the registry does not know',
    {
      tamper: edited((bundle) => {
        delete bundle.verificationMaterial.certificate;
        delete bundle.verificationMaterial.x509CertificateChain;
        bundle.verificationMaterial.publicKey = { hint: 'SHA256:stranger' };
      }),
    },
    /no key SHA256:stranger/,
  ],
  ['no bundle at all', { tamper: () => ({}) }, /do not hold/],
] as const satisfies readonly (readonly [string, Parameters<typeof judged>[1], RegExp])[])
  test(`refuses an attestation of ${what}`, async (t) => {
    await assert.rejects(judged(t, attack), (error) => error instanceof SafetyError && why.test(error.message));
  });

const PUBLISH = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1';

test('what the registry attests by a key of its own says where nothing was built, and no key serves for a build', async (t) => {
  const { root, attest } = await sigstore(t);
  const key = registryKey('SHA256:ours');
  const published = await attest({ purl, sha512, predicateType: PUBLISH }, { key });
  const verdict = (bundle: unknown, type: string, keys: readonly RegistryKey[]) =>
    verifyAttestations(served(bundle, type), about, root, keys);
  assert.equal(verdict(published, PUBLISH, [key]), undefined);
  assert.throws(() => verdict(published, PUBLISH, []), /no key SHA256:ours/);
  assert.throws(() => verdict(published, PUBLISH, [registryKey('SHA256:ours')]), SafetyError);
  assert.throws(() => verdict(published, PUBLISH, [{ ...key, expires: '2020-01-01T00:00:00Z' }]), SafetyError);
  assert.throws(() => verdict(published, PROVENANCE, [key]), /is served as/);
  const built = await attest({ purl, sha512 }, { key });
  assert.throws(() => verdict(built, PROVENANCE, [key]), /no build that signed it/);
});

test('refuses what another Sigstore has signed and logged', async (t) => {
  const [ours, theirs] = [await sigstore(t), await sigstore(t)];
  const bundle = await theirs.attest({ purl, sha512 });
  assert.throws(() => verifyAttestations(served(bundle), about, ours.root, []), SafetyError);
});

test('add names the workflow, refuses one wrong attestation among good ones, and takes none for none', async (t) => {
  const { root, attest } = await sigstore(t);
  const good = { predicateType: PROVENANCE, bundle: await attest({ purl, sha512 }) };
  const bad = { predicateType: PROVENANCE, bundle: await attest({ purl, sha512: '00'.repeat(64) }) };
  const added = async (...attestations: readonly (typeof good)[]) => {
    const { env } = await registry(t, { keys: true }, attestations.length === 0 ? item : { ...item, attestations });
    const room = addRooms(t, {}, env, root);
    await room.add(`npm:${NAME}@1.2.3`, '--name', 'inv', '--yes', '--accept-unverified');
    return room.out;
  };
  assert.match(
    await added(good),
    /verified \(1 signatures, built by https:\/\/github\.com\/acme\/inventory\/.*release\.yml/,
  );
  assert.match(await added(), /provenance: verified \(1 signatures\)/);
  await assert.rejects(added(good, bad), SafetyError);
});

test('a repository is the same in each of its spellings, and no other one is', () => {
  for (const text of [
    'git+https://github.com/acme/inventory.git',
    'git@github.com:acme/inventory.git',
    'github:acme/inventory',
    'acme/inventory',
    'https://github.com/Acme/Inventory#readme',
    'git+ssh://git@github.com/acme/inventory.git',
    'git://github.com/acme/inventory/',
  ])
    assert.equal(repositoryOf(text), 'https://github.com/acme/inventory', text);
  for (const text of [
    'https://gitlab.com/acme/inventory',
    'https://github.com.example/acme/inventory',
    'https://github.com@evil.example/acme/inventory',
    'https://github.com/acme/inventory/../../mallory/x',
    'acme/inventory/x',
    'https://github.com/acme',
    '',
    'javascript:acme/inventory',
  ])
    assert.notEqual(repositoryOf(text), 'https://github.com/acme/inventory', text);
});
