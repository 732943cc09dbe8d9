import { createHmac, createPublicKey } from 'node:crypto';
import { MCP, ORIGIN } from '../support/gateway.ts';
import { b64 } from '../support/holder.ts';
import { type Attack, type Field, IDP } from './field.ts';

/** Tokens that are forged, bent, stolen or somebody else's. */
export async function tokenAttacks(field: Field): Promise<readonly Attack[]> {
  return [
    ...(await onAlgorithms(field)),
    ...(await onHeaders(field)),
    ...(await onForm(field)),
    ...(await onSignatures(field)),
    ...(await onIssuers(field)),
    ...(await onAudiences(field)),
    ...(await onTimes(field)),
    ...(await onClaims(field)),
    ...(await onPresentation(field)),
  ];
}

type Made = [name: string, token: string | Promise<string>, reason: RegExp];

async function attacks(...made: readonly Made[]): Promise<readonly Attack[]> {
  return Promise.all(
    made.map(async ([name, token, reason]) => ({ name, authorization: `Bearer ${await token}`, reason })),
  );
}

const part = (token: string, at: number): string => token.split('.')[at] ?? '';

async function onAlgorithms({ token, embedded, rsa, edwards, alien }: Field): Promise<readonly Attack[]> {
  const good = await token();
  const [body, signature] = [part(good, 1), part(good, 2)];
  const labelled = (alg: unknown): string => `${b64({ alg, typ: 'at+jwt', kid: 'own' })}.${body}.${signature}`;
  const hmac = (alg: string, hash: string, secret: string | Buffer): string => {
    const signed = `${b64({ alg, typ: 'at+jwt', kid: 'own' })}.${body}`;
    return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
  };
  const key = createPublicKey({ key: embedded.publicJwk, format: 'jwk' });
  return attacks(
    ...['none', 'None', 'NONE', 'nOnE', '', 'ES384', 'ES512', 'ES256K', 'RS384', 'RS512', 'PS384', 'RS1', 'Ed448'].map(
      (alg): Made => [`a token that says alg ${JSON.stringify(alg)}`, labelled(alg), /^algorithm "/],
    ),
    ...[undefined, 7, ['ES256'], null, { alg: 'ES256' }].map(
      (alg): Made => [`a token that says alg ${JSON.stringify(alg)}`, labelled(alg), /header without alg/],
    ),
    [
      'the public key as an HMAC secret, in PEM',
      hmac('HS256', 'sha256', key.export({ format: 'pem', type: 'spki' })),
      /^algorithm "HS256"/,
    ],
    [
      'the public key as an HMAC secret, in DER',
      hmac('HS256', 'sha256', key.export({ format: 'der', type: 'spki' })),
      /^algorithm "HS256"/,
    ],
    ['the JWK as an HMAC secret', hmac('HS384', 'sha384', JSON.stringify(embedded.publicJwk)), /^algorithm "HS384"/],
    ['an empty HMAC secret', hmac('HS512', 'sha512', ''), /^algorithm "HS512"/],
    ['RS256 with the name of an EC key', token({}, { alg: 'RS256', kid: 'own' }, rsa), /no single key for kid "own"/],
    [
      'EdDSA with the name of an EC key',
      token({}, { alg: 'EdDSA', kid: 'own' }, edwards),
      /no single key for kid "own"/,
    ],
    ['ES256 with the name of an RSA key', alien({}, { kid: 'rsa' }), /no single key for kid "rsa"/],
  );
}

async function onHeaders({ token, alien, stranger, embedded }: Field): Promise<readonly Attack[]> {
  const brought: Record<string, unknown> = {
    jwk: stranger.publicJwk,
    jku: 'https://attacker.example/keys',
    x5u: 'https://attacker.example/certificate',
    x5c: ['AAAA'],
    epk: stranger.publicJwk,
    enc: 'A256GCM',
    zip: 'DEF',
  };
  const kids = [
    '../../../../dev/null',
    "' OR 1=1 --",
    '__proto__',
    'constructor',
    'toString',
    '',
    'none',
    'idp',
    'own\u0000',
    'OWN',
  ];
  const types = ['JWT', 'dpop+jwt', 'logout+jwt', 'secevent+jwt', 'kb+jwt', 'oauth-authz-req+jwt', 'at+jwt ', 'at', ''];
  const body = part(await token(), 1);
  const raw = (header: object): string => `${b64({ alg: 'ES256', typ: 'at+jwt', kid: 'own', ...header })}.${body}.AAAA`;
  return attacks(
    ...Object.entries(brought).map(
      ([name, value]): Made => [
        `a token that brings ${name}`,
        token({}, { [name]: value }, { ...stranger, kid: 'own' }),
        new RegExp(`^header parameter ${name}$`),
      ],
    ),
    ['a critical extension that nobody knows', token({}, { crit: ['urn:x'], 'urn:x': 1 }), /^header parameter crit$/],
    ['a critical list that is empty', raw({ crit: [] }), /^header parameter crit$/],
    ['a payload that is not encoded (RFC 7797)', raw({ b64: false }), /^header parameter b64$/],
    ...kids.map(
      (kid): Made => [
        `a stranger's key named ${JSON.stringify(kid)}`,
        token({}, { kid }, stranger),
        /^no single key for kid/,
      ],
    ),
    ['a kid that is no text', raw({ kid: 7 }), /kid is not a short string/],
    ['a kid that is a list', raw({ kid: ['own'] }), /kid is not a short string/],
    ['a kid of 257 characters', token({}, { kid: 'k'.repeat(257) }, stranger), /kid is not a short string/],
    ...types.map(
      (typ): Made => [
        `our own issuer's JWT of typ ${JSON.stringify(typ)}`,
        token({}, { typ }),
        /^typ .* is not an access token's/,
      ],
    ),
    ['a JWT without typ', token({}, { typ: undefined }), /^typ undefined/],
    ['a foreign JWT without typ', alien({}, { typ: undefined }), /^typ undefined/],
    ['a foreign proof as a token', alien({}, { typ: 'dpop+jwt' }), /^typ "dpop\+jwt"/],
    ['a typ that is no text', raw({ typ: 7 }), /typ is not a string/],
    ['a typ that is a list', raw({ typ: ['at+jwt'] }), /typ is not a string/],
    ['the issuer’s own key, brought along', token({}, { jwk: embedded.publicJwk }), /^header parameter jwk$/],
  );
}

async function onForm({ token }: Field): Promise<readonly Attack[]> {
  const good = await token();
  const [head, body, signature] = good.split('.') as [string, string, string];
  const bytes = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
  const text = (value: string): string => Buffer.from(value).toString('base64url');
  const deep = `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`;
  return attacks(
    ['no JWT', 'x', /compact form/],
    ['an opaque token', 'mF_9.B5f-4.1JqM', /header: /],
    ['two parts', `${head}.${body}`, /compact form/],
    ['no signature', `${head}.${body}.`, /compact form/],
    ['no claims', `${head}..${signature}`, /compact form/],
    ['four parts', `${good}.x`, /compact form/],
    ['five parts: encrypted', `${head}.AAAA.AAAA.${body}.AAAA`, /compact form/],
    ['padding', `${head}=.${body}.${signature}`, /Authorization is not exactly one|compact form/],
    ['characters of plain base64', `${head}.${body}.${signature.slice(2)}+/`, /compact form/],
    [
      'alg twice',
      `${text('{"alg":"ES256","alg":"none","typ":"at+jwt"}')}.${body}.${signature}`,
      /header: .*duplicate key/,
    ],
    ['aud twice', `${head}.${text(`{"aud":"x","aud":"${MCP}"}`)}.${signature}`, /claims: .*duplicate key/],
    [
      'sub twice, once escaped',
      `${head}.${text('{"sub":"bob","s\\u0075b":"alice"}')}.${signature}`,
      /claims: .*duplicate key/,
    ],
    ['claims that are a list', `${head}.${b64([])}.${signature}`, /claims: not a JSON object/],
    ['claims that are a text', `${head}.${b64('alice')}.${signature}`, /claims: not a JSON object/],
    ['claims that are null', `${head}.${b64(null)}.${signature}`, /claims: not a JSON object/],
    ['a header that is a list', `${b64([])}.${body}.${signature}`, /header: not a JSON object/],
    ['claims that are no JSON', `${head}.${text('{alice}')}.${signature}`, /claims: /],
    ['claims behind a byte order mark', `${head}.${bytes('efbbbf7b7d')}.${signature}`, /claims: /],
    ['claims that are no UTF-8', `${head}.${bytes('7b22c328227d')}.${signature}`, /claims: /],
    ['a lone surrogate', `${head}.${text('{"sub":"\\ud800"}')}.${signature}`, /claims: /],
    ['two documents', `${head}.${text('{}{}')}.${signature}`, /claims: /],
    ['claims twenty levels deep', `${head}.${text(deep)}.${signature}`, /claims: /],
  );
}

async function onSignatures({ token, embedded, stranger, foreign, workloads }: Field): Promise<readonly Attack[]> {
  const [good, other] = [await token(), await token({ sub: 'alice', jti: 'j-2' })];
  const [head, body, signature] = good.split('.') as [string, string, string];
  const raw = Buffer.from(signature, 'base64url');
  const changed = Buffer.from(raw);
  changed[5] = (changed[5] ?? 0) ^ 1;
  const whole = (bytes: Buffer): string => `${head}.${body}.${bytes.toString('base64url')}`;
  const der = Buffer.concat([
    Buffer.from('30450220', 'hex'),
    raw.subarray(0, 32),
    Buffer.from('022100', 'hex'),
    raw.subarray(32),
  ]);
  const named = { kid: 'own' };
  const wrong = /SIGNATURE/;
  return attacks(
    ['a signature with one bit changed', whole(changed), wrong],
    ['a signature that was cut', whole(raw.subarray(0, 63)), wrong],
    ['a signature with a byte too many', whole(Buffer.concat([raw, Buffer.alloc(1)])), wrong],
    ['a signature in DER', whole(der), wrong],
    ['r and s zero (CVE-2022-21449)', whole(Buffer.alloc(64)), wrong],
    [
      'r and s the order of the curve',
      whole(Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'.repeat(2), 'hex')),
      wrong,
    ],
    ["another token's signature", `${head}.${body}.${part(other, 2)}`, wrong],
    ["another token's claims", `${head}.${part(other, 1)}.${signature}`, wrong],
    ['a stranger’s signature under our key’s name', token({}, named, stranger), wrong],
    ['the foreign issuer’s signature under our key’s name', token({}, named, foreign), wrong],
    ['the trust domain’s signature under our key’s name', token({}, named, workloads), wrong],
    [
      'a header that was changed after it was signed',
      `${b64({ alg: embedded.alg, typ: 'at+jwt', kid: 'own', x: 1 })}.${body}.${signature}`,
      wrong,
    ],
  );
}

async function onIssuers({ token, alien, embedded, stranger }: Field): Promise<readonly Attack[]> {
  const strange = [
    `${ORIGIN}/`,
    ORIGIN.toUpperCase(),
    'https://attacker.example',
    `${IDP}.attacker.example`,
    'http://idp.example',
    '',
    `${ORIGIN}#x`,
  ];
  return attacks(
    ...strange.map((iss): Made => [`a token of ${JSON.stringify(iss)}`, token({ iss }), /^unknown issuer$/]),
    ...[undefined, null, 7, [ORIGIN], { 0: ORIGIN }].map(
      (iss): Made => [`an issuer that is ${JSON.stringify(iss)}`, token({ iss }), /^unknown issuer$/],
    ),
    ['our own issuer’s key for the foreign issuer', alien({}, {}, embedded), /^no single key for kid "own"/],
    ['the foreign issuer’s key for our own issuer', alien({ iss: ORIGIN }), /^no single key for kid "idp"/],
    ['a stranger’s key for the foreign issuer', alien({}, { kid: 'idp' }, stranger), /SIGNATURE/],
    ...['nonce', 'at_hash', 'c_hash', 's_hash'].map(
      (name): Made => [
        `a foreign ID token (${name})`,
        alien({ [name]: 'x' }, { typ: 'JWT' }),
        new RegExp(`^ID token \\(${name}\\)`),
      ],
    ),
    ...['ID', 'Refresh', 'Logout'].map(
      (typ): Made => [
        `a foreign ${typ} token that says so`,
        alien({ typ }, { typ: 'JWT' }),
        new RegExp(`^token of type ${typ}`),
      ],
    ),
  );
}

async function onAudiences({ token }: Field): Promise<readonly Attack[]> {
  const others = [
    'https://other.example/mcp',
    `${MCP}/`,
    `${ORIGIN}/MCP`,
    ORIGIN,
    `${MCP}x`,
    `${MCP}.attacker.example`,
    `${MCP}?x`,
    `${MCP}/files/x`,
    `${MCP}/../mcp`,
    `${ORIGIN}/%6dcp`,
    'https://LOCALHOST:8443/mcp',
    'https://localhost/mcp',
    'http://localhost:8443/mcp',
    '*',
    '',
    `${MCP}/Files`,
  ];
  const made = await attacks(
    ...others.map((aud): Made => [`a token for ${JSON.stringify(aud)}`, token({ aud }), /another resource/]),
    ...[[], ['https://other.example/mcp', 'https://third.example']].map(
      (aud): Made => [`a token for ${JSON.stringify(aud)}`, token({ aud }), /another resource/],
    ),
    ...[7, null, { 0: MCP }, [MCP, 7], [[MCP]], true].map(
      (aud): Made => [`an audience that is ${JSON.stringify(aud)}`, token({ aud }), /aud/],
    ),
    ['no audience', token({ aud: undefined }), /aud/],
    ['a token for one server at the endpoint of all', token({ aud: `${MCP}/files` }), /another endpoint/],
    [
      'a token for two servers at the endpoint of all',
      token({ aud: [`${MCP}/files`, `${MCP}/notes`] }),
      /another endpoint/,
    ],
  );
  const elsewhere = await attacks([
    'a token for one server at another',
    token({ aud: `${MCP}/files` }),
    /another endpoint/,
  ]);
  return [...made, ...elsewhere.map((attack) => ({ ...attack, asking: { server: 'notes' } }))];
}

async function onTimes({ token, now }: Field): Promise<readonly Attack[]> {
  return attacks(
    ['five seconds and one too late', token({ exp: now - 5 }), /EXPIRED/],
    ['expired a year ago', token({ exp: now - 31_536_000, iat: now - 31_540_000 }), /EXPIRED/],
    ['expired before it was made', token({ exp: 0 }), /EXPIRED/],
    ['an end below zero', token({ exp: -1 }), /EXPIRED/],
    ['no end', token({ exp: undefined }), /exp/],
    ['an end that is a text', token({ exp: String(now + 60) }), /exp/],
    ['an end that is null', token({ exp: null }), /exp/],
    ['not before six seconds from now', token({ nbf: now + 6 }), /nbf/],
    ['not before a text', token({ nbf: 'now' }), /nbf/],
    ['made six seconds from now', token({ iat: now + 6 }), /iat/],
    ['made at no time', token({ iat: undefined }), /iat/],
    ['made at a text', token({ iat: 'now' }), /iat/],
    ['times in milliseconds', token({ iat: now * 1000, exp: now * 1000 + 600 }), /iat/],
  );
}

async function onClaims({ token }: Field): Promise<readonly Attack[]> {
  const plain = /is absent or not a plain name|is not a plain name/;
  return attacks(
    ...[
      undefined,
      '',
      7,
      null,
      ['alice'],
      'a\u202eb',
      'a\nb',
      ' a',
      'a\u200b',
      'a\u0000',
      `${IDP}#bob`,
      'x'.repeat(257),
    ].map((sub): Made => [`a subject that is ${JSON.stringify(sub)?.slice(0, 20)}`, token({ sub }), /sub/]),
    ...[undefined, '', ['acme'], 'a\u0000', 7].map(
      (tenant): Made => [`a tenant that is ${JSON.stringify(tenant)}`, token({ tenant }), /tenant/],
    ),
    ...['ops', [1], [''], [['ops']], { 0: 'ops' }].map(
      (groups): Made => [`groups that are ${JSON.stringify(groups)}`, token({ groups }), /groups/],
    ),
    ...[7, null, ['mcp'], { mcp: true }].map(
      (scope): Made => [`scopes that are ${JSON.stringify(scope)}`, token({ scope }), /scope is no text/],
    ),
    ['no id', token({ jti: undefined }), /without jti/],
    ['an id that is a number', token({ jti: 7 }), /without jti/],
    ['an id that would split a line of the log', token({ jti: 'a\nb' }), /without jti/],
    ['an acr that is a number', token({ acr: 7 }), plain],
    ['a sign-in at a text', token({ auth_time: 'now' }), /auth_time/],
    ['a revoked token', token({ jti: 'revoked-jti' }), /^revoked$/],
    ['bound to what nobody can confirm: kid', token({ cnf: { kid: 'x' } }), /cannot be confirmed here: kid/],
    ['bound to what nobody can confirm: jwk', token({ cnf: { jwk: {} } }), /cannot be confirmed here: jwk/],
    [
      'bound to what nobody can confirm, beside a key',
      token({ cnf: { jkt: 'a'.repeat(43), jku: 'https://x' } }),
      /cannot be confirmed here: jku/,
    ],
    ['bound to nothing', token({ cnf: {} }), /cnf names no key/],
    ['bound to a text', token({ cnf: 'a'.repeat(43) }), /cnf is no object/],
    ['bound to null', token({ cnf: null }), /cnf is no object/],
    ['bound to half a thumbprint', token({ cnf: { jkt: 'a'.repeat(22) } }), /jkt is no SHA-256/],
    ['bound to a list of keys', token({ cnf: { jkt: ['a'.repeat(43)] } }), /jkt is no SHA-256/],
    [
      'bound to a hex certificate thumbprint',
      token({ cnf: { 'x5t#S256': 'ab'.repeat(32) } }),
      /x5t#S256 is no SHA-256/,
    ],
  );
}

async function onPresentation({ token, holder }: Field): Promise<readonly Attack[]> {
  const good = await token();
  const bound = await token({ cnf: { jkt: holder.thumbprint } });
  const one = /not exactly one bearer or DPoP token/;
  const header = (name: string, authorization: string | undefined, reason: RegExp): Attack => ({
    name,
    authorization,
    reason,
  });
  return [
    header('nothing', undefined, /no Authorization/),
    { ...header('a token in the query', undefined, /no Authorization/), asking: { query: `access_token=${good}` } },
    header('an empty header', '', one),
    header('a scheme alone', 'Bearer', one),
    header('a token alone', good, one),
    header('Basic', `Basic ${Buffer.from('alice:secret').toString('base64')}`, one),
    header('Digest', `Digest username="alice"`, one),
    header('two tokens', `Bearer ${good}, Bearer ${good}`, one),
    header('two tokens without a comma', `Bearer ${good} ${good}`, one),
    header('a token in quotes', `Bearer "${good}"`, one),
    header('a tab', `Bearer\t${good}`, one),
    header('a line break behind it', `Bearer ${good}\n`, one),
    header('a parameter', `Bearer ${good};x=y`, one),
    header('8,193 characters', `Bearer ${'a'.repeat(8186)}`, /longer than 8192/),
    header('a bound token as a bearer one', `Bearer ${bound}`, /came like a bearer one/),
    header('an unbound token as a bound one', `DPoP ${good}`, /bound to no key/),
  ];
}
