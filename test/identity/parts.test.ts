import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEmbeddedSubject, isPlainName } from '../../src/contract/identity.ts';
import { readKeySet } from '../../src/gateway/authentication/algorithms.ts';
import { opens } from '../../src/gateway/authentication/claims.ts';
import { generations } from '../../src/gateway/authentication/generations.ts';
import type { Verdict } from '../../src/gateway/authentication/verify.ts';
import { verifies } from '../support/verifies.ts';
import { ecKey } from './support/foreign-issuer.ts';
import { MCP } from './support/gateway.ts';

test('no audience but the exact resource opens all endpoints (RFC 8707)', () => {
  verifies('authn.audience');
  const near = fc.oneof(
    fc.webUrl(),
    fc.string(),
    fc.constant(MCP),
    fc.constant(`${MCP}/files`),
    fc
      .tuple(fc.constantFrom(MCP, `${MCP}/`, `${MCP}/files`), fc.string({ maxLength: 3 }))
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(fc.oneof(near, fc.array(near, { maxLength: 4 })), (aud) => {
      const audiences = [aud].flat();
      try {
        const found = opens(aud, MCP, {});
        assert.equal(found.all, audiences.includes(MCP));
        for (const server of found.servers) assert.ok(audiences.includes(`${MCP}/${server}`));
        assert.ok(found.all || found.servers.size > 0);
      } catch {
        assert.ok(!audiences.includes(MCP) && !audiences.includes(`${MCP}/files`));
      }
    }),
  );
});

test('a name is visible and has one reading', () => {
  for (const name of ['alice', 'a b', 'Zoë', '林', 'a@b.example', 'x'.repeat(256)]) assert.ok(isPlainName(name), name);
  const hidden = [
    '\u0000',
    '\u007f',
    '\u0085',
    '\u200b',
    '\u200e',
    '\u202e',
    '\u2066',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\ud83d',
    '\ue000',
  ];
  for (const character of hidden) assert.ok(!isPlainName(`a${character}b`), character.codePointAt(0)?.toString(16));
  for (const name of ['', ' ', 'a ', '\u00a0a', 'x'.repeat(257), 7, null, undefined, ['a']])
    assert.ok(!isPlainName(name));
  assert.ok(isPlainName('https://idp.example#alice'));
  assert.ok(!isEmbeddedSubject('https://idp.example#alice'));
});

test('the verdict cache holds no more than its bound, and forgets what is not used first', () => {
  const cache = generations<Verdict>(100);
  const verdict = (exp: number): Verdict => ({ exp }) as Verdict;
  cache.put('used', verdict(0));
  for (let at = 1; at <= 1000; at++) {
    cache.put(`token-${at}`, verdict(at));
    if (at % 20 === 0) assert.equal(cache.get('used')?.exp, 0);
  }
  // A look-up that finds moves what it found, so each of these is asked once.
  const kept = Array.from({ length: 1000 }, (_, at) => cache.get(`token-${at + 1}`)).filter(
    (found) => found !== undefined,
  );
  assert.ok(kept.length <= 100, String(kept.length));
  cache.clear();
  assert.equal(cache.get('used'), undefined);
});

test('a key set gives only keys that may verify, and never keeps a private part', () => {
  const { privateKey, publicJwk } = ecKey('k');
  const [leaked] = readKeySet({ keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k' }] });
  assert.equal(leaked?.key.type, 'public');
  const useless: unknown[] = [
    null,
    7,
    'x',
    {},
    { kty: 'EC' },
    { ...publicJwk, x: 'AAAA' },
    { ...publicJwk, use: 'enc' },
    { ...publicJwk, key_ops: ['sign'] },
    { ...publicJwk, alg: 'ES512' },
    { ...publicJwk, alg: 'none' },
    { kty: 'oct', k: 'AAAA', alg: 'HS256' },
  ];
  assert.deepEqual(readKeySet({ keys: useless }), []);
  for (const set of [null, [], {}, { keys: {} }, { keys: 'x' }, { keys: Array(65).fill(publicJwk) }]) {
    assert.throws(() => readKeySet(set), TypeError);
  }
});
