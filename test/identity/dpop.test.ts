import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GatewayBundle } from '../../src/contract/bundle.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { type StateStore, StateUnavailable } from '../../src/contract/state-store.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { nonces } from '../../src/gateway/authentication/nonces.ts';
import { type Proven, proofVerifier } from '../../src/gateway/authentication/proof.ts';
import { normalisedTarget } from '../../src/gateway/authentication/target-uri.ts';
import { noRedis, openShared, redisServer } from '../state/support.ts';
import { verifies } from '../support/verifies.ts';
import { gateway, MCP, refused } from './support/gateway.ts';
import { type Alg, ath, type Holder, holder, type ProofWish, proof } from './support/holder.ts';

/** The gateway, a key's holder, and a token that is bound to the key. */
async function bound(t: Parameters<typeof gateway>[0], options: { alg?: Alg; state?: Pick<StateStore, 'once'> } = {}) {
  const { alg = 'ES256', ...rest } = options;
  const [edge, key] = [gateway(t, [], rest), await holder(alg)];
  const token = await edge.mint({ dpopJkt: key.thumbprint });
  const make = (change: Partial<ProofWish> = {}, by: Holder = key): string =>
    proof(by, { token, htu: MCP, iat: edge.clock.at / 1000, ...change });
  const ask = (dpop: string | undefined, asking: Parameters<typeof edge.ask>[1] = {}) =>
    edge.ask(`DPoP ${token}`, { ...asking, headers: { dpop, ...asking.headers } });
  return { ...edge, key, token, make, ask };
}

test("RFC 9449's own example verifies, and no change of it does (§7.1, figures 12 and 13)", async () => {
  verifies('authn.workload');
  const figure = [
    'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoR',
    'jQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJ',
    'qdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXN',
    'vdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35y',
    'RqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA',
  ].join('');
  const example: Proven = {
    thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
    method: 'GET',
    target: 'https://resource.example.org/protectedresource',
    token: ath('Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'),
    now: 1_562_262_618_000,
  };
  const verify = proofVerifier();
  const good = { jti: 'e1j3V_bKic8-LAEB', iat: 1_562_262_618, nonce: undefined };
  assert.deepEqual(await verify(figure, example), good);
  assert.deepEqual(await verify(figure, { ...example, now: example.now + 300_000 }), good);
  const wrong: [Partial<Proven>, RegExp][] = [
    [{ now: example.now + 300_001 }, /iat is too long ago/],
    [{ now: example.now - 300_001 }, /iat is in the future/],
    [{ method: 'POST' }, /htm/],
    [{ target: 'https://resource.example.org/other' }, /htu/],
    [{ token: ath('another') }, /ath/],
    [{ thumbprint: ath('another') }, /another key/],
  ];
  for (const [change, detail] of wrong) await refused(verify(figure, { ...example, ...change }), detail);
  for (let at = 0; at < figure.length; at += 7) {
    const changed = `${figure.slice(0, at)}${figure[at] === 'A' ? 'B' : 'A'}${figure.slice(at + 1)}`;
    if (!/\.[^.]*A$/.test(changed)) await assert.rejects(verify(changed, example), Refusal, String(at));
  }
});

test('a proof that was made for the token endpoint is refused (RFC 9449 §4.1, figure 2: it has no ath)', async () => {
  const figure = [
    'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoR',
    'jQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJ',
    'qdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ij',
    'oxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg',
  ].join('');
  const thumbprint = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
  const about = { thumbprint, method: 'POST', target: 'https://server.example.com/token', token: ath('x') };
  await refused(proofVerifier()(figure, { ...about, now: 1_562_262_616_000 }), /ath is of another token/);
});

for (const alg of ['ES256', 'EdDSA', 'RS256', 'PS256'] as const)
  test(`a token that is bound to a key of ${alg} counts with a proof of that key`, async (t) => {
    verifies('authn.workload');
    const { ask, make } = await bound(t, { alg });
    for (let time = 0; time < 3; time++) assert.equal((await ask(make())).id, 'alice');
  });

test('a stolen bound token is refused: as a bearer one, without a proof, and with any proof of the thief (RFC 9449 §7)', async (t) => {
  verifies('authn.workload', 'authn.edge');
  const { bearer, ask, make, token } = await bound(t);
  const thief = await holder();
  await refused(bearer(token), /came like a bearer one/);
  await refused(bearer(token, { headers: { dpop: make() } }), /came like a bearer one/);
  await refused(ask(undefined), /no DPoP header/);
  await refused(ask(make({}, thief)), /another key/);
  // The owner's public key in the header does not help whoever cannot sign with it.
  await refused(ask(proof(thief, { token, htu: MCP, iat: 0, header: { jwk: (await holder()).jwk } })), /another key/);
  await refused(ask(`${make()}, ${make()}`), /compact form/);
});

test('an unbound token is refused in the DPoP scheme, and stays a bearer one beside a proof (RFC 9449 §7.1)', async (t) => {
  const { ask, bearer, mint, clock } = gateway(t);
  const token = await mint();
  const headers = { dpop: proof(await holder(), { token, htu: MCP, iat: clock.at / 1000 }) };
  await refused(ask(`DPoP ${token}`, { headers }), /bound to no key/);
  assert.equal((await bearer(token, { headers })).id, 'alice');
});

test('refuses a proof for another method, URI or token, and one from another time', async (t) => {
  verifies('authn.workload');
  const { ask, make, clock } = await bound(t);
  await refused(ask(make({ htm: 'GET' })), /htm/);
  await refused(ask(make(), { method: 'GET' }), /htm/);
  assert.equal((await ask(make({ htm: 'GET' }), { method: 'GET' })).id, 'alice');
  await refused(ask(make(), { server: 'files' }), /htu/);
  assert.equal((await ask(make({ htu: `${MCP}/files` }), { server: 'files' })).id, 'alice');
  assert.equal((await ask(make({ htu: `${MCP}/files/sse` }), { server: 'files', transport: 'sse' })).id, 'alice');
  await refused(ask(make({ token: 'another' })), /ath/);
  for (const [offset, detail] of [
    [-300.1, /too long ago/],
    [300.1, /in the future/],
  ] as const)
    await refused(ask(make({ iat: clock.at / 1000 + offset })), detail);
  for (const offset of [-300, 300]) assert.equal((await ask(make({ iat: clock.at / 1000 + offset }))).id, 'alice');
});

test('a proof is used once, whoever saw it, for as long as it could be used', async (t) => {
  verifies('authn.workload');
  const { ask, make, clock } = await bound(t);
  const once = make({ iat: clock.at / 1000 + 300 });
  assert.equal((await ask(once)).id, 'alice');
  await refused(ask(once), /jti has been used/);
  clock.at += 599_000;
  await refused(ask(once), /jti has been used/);
  clock.at += 1001;
  await refused(ask(once), /too long ago/);
  const both = make();
  const told = await Promise.allSettled([ask(both), ask(both)]);
  assert.deepEqual(told.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test("nobody can use up another one's proof: what fails in any other way is not remembered", async (t) => {
  const { ask, make, bearer, token } = await bound(t);
  const good = make();
  await refused(bearer(token, { headers: { dpop: good } }), /came like a bearer/);
  await refused(ask(good, { server: 'files' }), /htu/);
  await refused(ask(good, { method: 'DELETE' }), /htm/);
  const other = await holder();
  const theirs = await gateway(t).mint({ dpopJkt: other.thumbprint });
  const { jti } = JSON.parse(atob(good.split('.')[1] ?? ''));
  await refused(ask(proof(other, { token: theirs, htu: MCP, iat: 0, claims: { jti } })), /another key/);
  assert.equal((await ask(good)).id, 'alice');
});

const shared: readonly [
  string,
  string | false,
  (t: Parameters<typeof gateway>[0]) => Promise<[StateStore, StateStore]>,
][] = [
  ['one memory', false, async () => [memoryStore(Date.now)].flatMap((one) => [one, one]) as [StateStore, StateStore]],
  [
    'one redis',
    noRedis,
    async (t) => {
      const { url } = await redisServer(t);
      const stores: [StateStore, StateStore] = [await openShared(url), await openShared(url)];
      t.after(() => Promise.all(stores.map((store) => store.close())));
      return stores;
    },
  ],
];
for (const [name, skip, open] of shared)
  test(`a proof that one gateway took is refused by another that shares ${name}`, { skip }, async (t) => {
    verifies('authn.workload');
    const [here, there] = await open(t);
    const first = await bound(t, { state: here });
    const second = gateway(t, [], { state: there });
    const issuers = [
      { issuer: first.issuer.issuerUrl, jwks: first.issuer.jwks(), tenant: { claim: 'tenant' }, embedded: true },
    ];
    second.publish({ issuers });
    const replayed = first.make();
    const elsewhere = (dpop: string) => second.ask(`DPoP ${first.token}`, { headers: { dpop } });
    assert.equal((await first.ask(replayed)).id, 'alice');
    await refused(elsewhere(replayed), /jti has been used/);
    assert.equal((await elsewhere(first.make())).id, 'alice');
  });

test('where nobody can tell whether a proof was used, it counts for nothing', async (t) => {
  const gone: Pick<StateStore, 'once'> = {
    once: () => Promise.reject(new StateUnavailable('connection refused')),
  };
  const { ask, make } = await bound(t, { state: gone });
  await assert.rejects(ask(make()), (error) => {
    assert.ok(error instanceof Refusal);
    assert.deepEqual([error.code, error.detail], ['unavailable', 'state store: connection refused']);
    return true;
  });
  // Strangers still learn nothing of it.
  await refused(ask(make({ htm: 'GET' })), /htm/);
});

test('a call that is authenticated again, because a bundle came meanwhile, is no replay of itself', async (t) => {
  const { arrive, token, make } = await bound(t);
  const again = arrive(`DPoP ${token}`, { headers: { dpop: make() } });
  assert.equal((await again()).id, 'alice');
  assert.equal((await again()).id, 'alice');
});

test('without a fresh nonce a good proof is told one, and no other is (RFC 9449 §8, §9)', async (t) => {
  verifies('authn.workload');
  const { ask, make, publish, clock, bearer, mint } = await bound(t);
  publish({ nonceKey: 'of the bundle' } satisfies Partial<GatewayBundle>);
  const told = async (nonce?: unknown): Promise<string> => {
    try {
      await ask(make({ claims: { nonce } }));
    } catch (error) {
      assert.ok(error instanceof Refusal && error.code === 'dpop-nonce', String(error));
      return String(error.challenge);
    }
    return '';
  };
  const nonce = await told();
  assert.match(nonce, /^[\w-]{22}$/);
  for (const bad of ['', 'guess', 7, null, [nonce], { 0: nonce }, `${nonce} `]) assert.equal(await told(bad), nonce);
  assert.equal(await told(nonce), '');
  await refused(ask(make({ htm: 'GET' })), /htm/);
  await refused(ask(make({}, await holder())), /another key/);
  assert.equal((await bearer(await mint())).id, 'alice');
  clock.at += 4 * 60_000;
  assert.equal(await told(nonce), '');
  clock.at += 60_000;
  assert.notEqual(await told(nonce), '');
  assert.notEqual(await told(nonces('of another').current(clock.at)), '');
});

test('the URI is compared as RFC 3986 says, and what is none is none', async (t) => {
  const { ask, make } = await bound(t);
  for (const htu of [
    'HTTPS://localhost:8443/mcp',
    'https://LOCALHOST:8443/mcp',
    'https://localhost:08443/mcp',
    'https://localhost:8443/%6Dcp',
    'https://localhost:8443/./mcp',
    'https://localhost:8443/x/../mcp',
    'https://localhost:8443/mcp?a=b',
    'https://localhost:8443/mcp#f',
  ])
    assert.equal((await ask(make({ htu }))).id, 'alice', htu);
  assert.equal(normalisedTarget('https://a.example:443'), 'https://a.example/');
  assert.equal(normalisedTarget('https://a.example:/%7ex/%2f'), 'https://a.example/~x/%2F');
  assert.equal(normalisedTarget('https://a.example/a/b/c/./../../g'), 'https://a.example/a/g');
  assert.equal(normalisedTarget('https://a.example/a/..'), 'https://a.example/');
});

test('normalising is idempotent, agrees with the URL parser, and never moves to another host', () => {
  const segment = fc.stringMatching(/^(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%2[0-9A-F]|%7E|%41){0,6}$/);
  const uri = fc
    .tuple(fc.constantFrom('https', 'HTTPS'), fc.domain(), fc.constantFrom('', ':443', ':8443'), fc.array(segment))
    .map(([scheme, host, port, path]) => `${scheme}://${host}${port}${path.map((one) => `/${one}`).join('')}`);
  fc.assert(
    fc.property(uri, (text) => {
      const once = normalisedTarget(text) ?? assert.fail(text);
      assert.equal(normalisedTarget(once), once);
      assert.equal(new URL(once).origin, new URL(text).origin);
      assert.equal(new URL(once).pathname, once.slice(once.indexOf('/', 8)));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const target = normalisedTarget(text);
      assert.ok(target === undefined || /^https:\/\/[\x21-\x7e]+$/.test(target));
    }),
  );
});
