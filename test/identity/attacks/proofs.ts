import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { MCP } from '../support/gateway.ts';
import { b64, type Holder, type ProofWish, proof, signature } from '../support/holder.ts';
import type { Attack, Field } from './field.ts';

/** Whoever has a bound token, and not its key; or the key, and not this request. */
export async function proofAttacks(field: Field): Promise<readonly Attack[]> {
  const { holder: owner, thief, now } = field;
  const token = await field.token({ cnf: { jkt: owner.thumbprint } });
  const make = (change: Partial<ProofWish> = {}, by: Pick<Holder, 'alg' | 'jwk' | 'privateKey'> = owner): string =>
    proof(by, { token, htu: MCP, iat: now, ...change });
  const attack = (name: string, dpop: string | undefined, reason: RegExp): Attack => ({
    name: `proof: ${name}`,
    authorization: `DPoP ${token}`,
    dpop,
    reason,
  });
  const header = (name: string, change: Record<string, unknown>, reason: RegExp): Attack =>
    attack(name, make({ header: change }), reason);
  const claim = (name: string, change: Record<string, unknown>, reason: RegExp): Attack =>
    attack(name, make({ claims: change }), reason);
  const good = make();
  const [head, body, signed] = good.split('.') as [string, string, string];
  const zeros = Buffer.alloc(64).toString('base64url');
  const pkcs = owner.privateKey.export({ format: 'jwk' });
  const text = (value: string): string => Buffer.from(value).toString('base64url');
  const all = `"jti":"j","htm":"POST","htu":"${MCP}","iat":${now}`;

  return [
    attack('none', undefined, /no DPoP header/),
    attack('an empty one', '', /compact form/),
    attack('two', `${good}, ${make()}`, /compact form/),
    attack('no JWS', 'x', /compact form/),
    attack('without its signature', `${head}.${body}.`, /compact form/),
    attack('4,097 characters', `${head}.${'A'.repeat(4096)}.${signed}`, /longer than 4096/),
    ...['JWT', 'at+jwt', 'DPOP+JWT', 'dpop+jwt ', undefined, 7, ['dpop+jwt']].map((typ) =>
      header(`typ ${JSON.stringify(typ)}`, { typ }, /typ is not dpop\+jwt/),
    ),
    ...['none', 'HS256', 'ES384', 'RS512', '', undefined, 7, ['ES256']].map((alg) =>
      header(`alg ${JSON.stringify(alg)}`, { alg }, /proof: algorithm/),
    ),
    ...['crit', 'b64', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'epk'].map((name) =>
      header(`with ${name}`, { [name]: ['x'] }, new RegExp(`^header parameter ${name}$`)),
    ),
    ...[undefined, null, 'x', [owner.jwk], 7].map((jwk) =>
      header(`a key that is ${JSON.stringify(jwk)?.slice(0, 8)}`, { jwk }, /header without jwk/),
    ),
    header('with its private key', { jwk: pkcs }, /private member d/),
    ...['p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].map((name) =>
      header(`a key with ${name}`, { jwk: { ...owner.jwk, [name]: 'AAAA' } }, new RegExp(`private member ${name}$`)),
    ),
    header('a symmetric key', { jwk: { kty: 'oct', k: 'AAAA' } }, /private member k/),
    header('a symmetric key without its value', { jwk: { kty: 'oct' } }, /no public key for ES256/),
    header('a point that is not on the curve', { jwk: { ...owner.jwk, y: owner.jwk.x } }, /no public key/),
    header(
      'the point at infinity',
      { jwk: { ...owner.jwk, x: text('\0'.repeat(32)), y: text('\0'.repeat(32)) } },
      /no public key/,
    ),
    header('a key of another curve', { jwk: { ...owner.jwk, crv: 'P-384' } }, /no public key/),
    header('a key of another type', { alg: 'EdDSA' }, /no public key for EdDSA/),
    header('a key for another algorithm', { jwk: { ...owner.jwk, alg: 'RS256' } }, /for another algorithm/),
    ...(await weakKeys(field)),
    attack("with the thief's key", make({}, thief), /another key than the token is bound to/),
    attack("the owner's key, the thief's signature", make({}, { ...thief, jwk: owner.jwk }), /signature is wrong/),
    attack('a signature of zeros', `${head}.${body}.${zeros}`, /signature is wrong/),
    attack("another proof's signature", `${head}.${body}.${make().split('.')[2]}`, /signature is wrong/),
    attack(
      'claims that were changed',
      `${head}.${b64({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), jti: 'x' })}.${signed}`,
      /signature is wrong/,
    ),
    attack('jti twice', make({ body: text(`{${all},"jti":"k"}`) }), /duplicate key/),
    attack('claims that are a list', make({ body: b64([]) }), /not a JSON object/),
    attack('alg twice', make({ head: text(`{"typ":"dpop+jwt","alg":"none","alg":"ES256"}`) }), /duplicate key/),
    ...[undefined, 7, '', null, ['j'], 'a\nb', 'j'.repeat(257)].map((jti) =>
      claim(`jti ${JSON.stringify(jti)?.slice(0, 12)}`, { jti }, /jti is absent or not a plain name/),
    ),
    ...[undefined, 'GET', 'post', 'POST ', '', ['POST'], '*'].map((htm) =>
      claim(`htm ${JSON.stringify(htm)}`, { htm }, /htm is another method/),
    ),
    ...targets.map((htu) => claim(`htu ${JSON.stringify(htu)}`, { htu }, /htu is another URI/)),
    ...[undefined, String(now), null, [now]].map((iat) =>
      claim(`iat ${JSON.stringify(iat)}`, { iat }, /iat is no number/),
    ),
    ...[now - 301, 0, -now, now - 31_536_000].map((iat) =>
      claim(`iat ${iat - now} s away`, { iat }, /iat is too long ago/),
    ),
    ...[now + 301, now * 1000, Number.MAX_VALUE].map((iat) => claim(`iat of ${iat}`, { iat }, /iat is in the future/)),
    claim('exp has passed', { exp: now - 1 }, /exp has passed/),
    claim('exp that is a text', { exp: 'never' }, /exp has passed/),
    claim('nbf to come', { nbf: now + 301 }, /nbf is to come/),
    ...[undefined, '', 'a'.repeat(43), 7, null].map((ath) =>
      claim(`ath ${JSON.stringify(ath)?.slice(0, 8)}`, { ath }, /ath is of another token/),
    ),
    attack('of another token', make({ token: await field.token() }), /ath is of another token/),
    { ...attack('of a POST, for a stream', good, /htm/), asking: { method: 'GET' } },
    { ...attack('of a POST, for the end of a session', good, /htm/), asking: { method: 'DELETE' } },
    { ...attack('of all servers, at one of them', good, /htu/), asking: { server: 'files' } },
    {
      ...attack('of a server, at its older transport', make({ htu: `${MCP}/files` }), /htu/),
      asking: { server: 'files', transport: 'sse' },
    },
  ];
}

const targets: readonly unknown[] = [
  undefined,
  7,
  [MCP],
  '',
  '/mcp',
  '//localhost:8443/mcp',
  'http://localhost:8443/mcp',
  'https://localhost/mcp',
  'https://localhost:8444/mcp',
  'https://localhost:18443/mcp',
  'https://attacker.example/mcp',
  'https://localhost.attacker.example:8443/mcp',
  'https://127.0.0.1:8443/mcp',
  'https://localhost.:8443/mcp',
  'https://user@localhost:8443/mcp',
  'https://attacker.example\\@localhost:8443/mcp',
  'https:\\\\localhost:8443\\mcp',
  'https:localhost:8443/mcp',
  'https:///localhost:8443/mcp',
  `${MCP}/`,
  `${MCP}/files`,
  'https://localhost:8443/MCP',
  'https://localhost:8443//mcp',
  'https://localhost:8443/mcp%2Ffiles',
  'https://localhost:8443/mcp/..',
  'https://localhost:8443/mcp;x',
  'https://localhost:8443/m\tcp',
  ` ${MCP}`,
  `${MCP}\n`,
  'https://loc%61lhost:8443/mcp',
  'https://lo\u0441alhost:8443/mcp',
  'https://localhost:8443\u2215mcp',
  'https://localhost:99999/mcp',
  `https://localhost:8443/${'x/../'.repeat(500)}mcp`,
];

/** Tokens that somebody had bound to a key that is no good. */
async function weakKeys(field: Field): Promise<readonly Attack[]> {
  const rsa = (bits: number, e = 'AQAB') => {
    const n = randomBytes(bits / 8);
    n[0] = (n[0] ?? 0) | 0x80;
    n[n.length - 1] = (n[n.length - 1] ?? 0) | 1;
    return { kty: 'RSA', n: n.toString('base64url'), e };
  };
  const keys: [string, JWK][] = [
    ['of 1,024 bits', rsa(1024)],
    ['of 8,192 bits', rsa(8192)],
    ['with an exponent of 64 bits', rsa(2048, '_________w')],
  ];
  return Promise.all(
    keys.map(async ([name, jwk]) => {
      const token = await field.token({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
      const signed = `${b64({ typ: 'dpop+jwt', alg: 'RS256', jwk })}.${b64({ htu: MCP })}`;
      const dpop = `${signed}.${signature('ES256', field.thief.privateKey, signed)}`;
      return {
        name: `proof: an RSA key ${name}`,
        authorization: `DPoP ${token}`,
        dpop,
        reason: /no public key for RS256/,
      };
    }),
  );
}
