import { SubjectAlternativeNameExtension } from '@peculiar/x509';
import type { ClientCertificate } from '../../../src/contract/client-certificate.ts';
import {
  authority,
  type CertificateWish,
  certificate,
  type Held,
  SERVER_AUTH,
  shown,
  thumbprintOf,
} from '../support/authority.ts';
import { MCP } from '../support/gateway.ts';
import { type Attack, type Field, ROBOT } from './field.ts';

const HOUR = 3_600_000;
const SIGN = { digital: 1, certSign: 32, crlSign: 64, encipherment: 4 };

/** Certificates that are old, bent, of others, or no SVIDs. */
export async function certificateAttacks(field: Field): Promise<readonly Attack[]> {
  const { leaf, root, middle, robot, milliseconds: now } = field;
  const attack = (name: string, client: ClientCertificate, reason: RegExp): Attack => ({
    name: `certificate: ${name}`,
    certificate: client,
    reason,
  });
  const one = async (name: string, wish: CertificateWish, reason: RegExp, issuer?: Held): Promise<Attack> =>
    attack(name, shown([await leaf(wish, issuer)]), reason);
  const impostor = await authority('root', now);
  const expired = await authority('root', now, { until: now - HOUR }, root);
  const other = await authority('other', now, { uris: ['spiffe://other.example'] }, root);
  const middleman = (wish: CertificateWish) => authority('between', now, wish, root);
  const below = async (issuer: Held): Promise<ClientCertificate> => shown([await leaf({}, issuer), issuer]);
  const chain = async (length: number): Promise<readonly Held[]> => {
    const held = [await middleman({})];
    while (held.length < length) held.unshift(await authority(`level ${held.length}`, now, {}, held[0]));
    return [await leaf({}, held[0]), ...held];
  };
  const san = (value: string) => new SubjectAlternativeNameExtension([{ type: 'url', value }]);
  const twice = await leaf({ more: [san('spiffe://example.org/ns/acme/admin')] });
  const damaged = (bytes: Uint8Array): ClientCertificate => ({ ...shown([robot]), chain: [bytes] });
  const bound = async (to: Held) => ({
    authorization: `Bearer ${await field.token({ cnf: { 'x5t#S256': thumbprintOf(to) } })}`,
  });
  const stranger = await certificate('stranger', now, { uris: [ROBOT] });

  return Promise.all([
    one('expired a second ago', { until: now - 1000 }, /certificate has expired/),
    one('expires this moment', { until: now }, /certificate has expired/),
    one('not valid yet', { from: now + 1000 }, /certificate not valid yet/),
    one('lives for 26 hours', { from: now - HOUR, until: now + 25 * HOUR }, /lives for more than a day/),
    one('lives for a year', { until: now + 8760 * HOUR }, /lives for more than a day/),
    one('an authority that signs itself in', { ca: true }, /an authority, not a leaf/),
    one('without key usage', { usage: 'none' }, /without digitalSignature/),
    one('to encipher only', { usage: SIGN.encipherment }, /without digitalSignature/),
    one('that may sign certificates', { usage: SIGN.digital | SIGN.certSign }, /key usage of an authority/),
    one('that may sign revocations', { usage: SIGN.digital | SIGN.crlSign }, /key usage of an authority/),
    one('of a server', { extendedUsage: [SERVER_AUTH] }, /without clientAuth/),
    one('to sign code', { extendedUsage: ['1.3.6.1.5.5.7.3.3'] }, /without clientAuth/),
    one('two URIs', { uris: [ROBOT, 'spiffe://example.org/ns/acme/admin'] }, /2 URIs/),
    one('the same URI twice', { uris: [ROBOT, ROBOT] }, /2 URIs/),
    one('a SPIFFE ID and a web address', { uris: [ROBOT, 'https://example.org'] }, /2 URIs/),
    one('no alternative name', { uris: [] }, /no URI/),
    one('a DNS name that looks like one', { uris: [], names: [{ type: 'dns', value: 'example.org' }] }, /no URI/),
    one('an e-mail address', { uris: [], names: [{ type: 'email', value: 'robot@example.org' }] }, /no URI/),
    one('another alternative name in another extension', { more: [san(ROBOT)] }, /alternative names twice|unreadable/),
    attack('a second list of names', shown([twice]), /alternative names twice|unreadable/),
    one('signed by itself', {}, /no authority of the trust domain's bundle/, stranger),
    attack('that it made itself', shown([stranger]), /no authority of the trust domain's bundle/),
    one('of an authority with the same name', {}, /no authority of the trust domain's bundle/, impostor),
    one(
      'of an authority that was signed by ours, and not sent',
      {},
      /no authority of the trust domain's bundle/,
      middle,
    ),
    one('of another workload', {}, /no authority of the trust domain's bundle/, robot),
    attack(
      'behind another workload',
      shown([await leaf({}, robot), robot]),
      /not signed by|signed by what is no authority/,
    ),
    attack(
      'behind an authority of the same name',
      shown([await leaf({}, impostor), impostor]),
      /no authority of the trust domain's bundle/,
    ),
    attack('behind an expired authority', await below(expired), /authority has expired/),
    attack(
      'behind an authority to come',
      await below(await middleman({ from: now + HOUR })),
      /authority not valid yet/,
    ),
    attack(
      'behind an authority that may not sign',
      await below(await middleman({ usage: SIGN.digital })),
      /not signed by|is no authority/,
    ),
    attack(
      'behind an authority that is none',
      await below(await middleman({ ca: false, usage: SIGN.certSign })),
      /not signed by|is no authority/,
    ),
    attack('behind an authority of another trust domain', await below(other), /another trust domain/),
    attack(
      'behind an authority with a name of nobody',
      await below(await middleman({ uris: ['https://example.org'] })),
      /not a SPIFFE ID/,
    ),
    attack(
      'behind a stranger',
      shown([await leaf({}, middle), stranger]),
      /not signed by the certificate that was sent/,
    ),
    attack('in the wrong order', shown([middle, robot]), /an authority, not a leaf|without a path/),
    attack('a path of six', shown(await chain(5)), /more than 5 certificates/),
    attack(
      'a path that the TLS library has not found',
      shown([robot], 'PATH_LENGTH_EXCEEDED'),
      /no trusted path: PATH_LENGTH_EXCEEDED/,
    ),
    attack('revoked, says the TLS library', shown([robot], 'CERT_REVOKED'), /no trusted path: CERT_REVOKED/),
    attack('none at all', damaged(Buffer.from('certificate')), /unreadable/),
    attack('half of one', damaged(robot.der.subarray(0, 200)), /unreadable/),
    attack('none in the chain', { ...shown([robot]), chain: [] }, /no certificate/),
    { ...attack('of another, for a bound token', shown([robot]), /another certificate/), ...(await bound(stranger)) },
    { name: 'certificate: none, for a bound token', ...(await bound(robot)), reason: /has shown none/ },
    { ...attack('beside a bad token', shown([robot]), /compact form/), authorization: 'Bearer x' },
  ]);
}

/** Names that are no workload's of our trust domain, in a certificate that is good but for them. */
export async function spiffeIdAttacks(field: Field): Promise<readonly Attack[]> {
  const no = /not a SPIFFE ID/;
  const names: [string, RegExp][] = [
    ['https://example.org/ns/acme/robot', no],
    ['SPIFFE://example.org/ns/acme/robot', no],
    ['spiffe://EXAMPLE.org/ns/acme/robot', no],
    ['spiffe:/example.org/ns/acme/robot', no],
    ['spiffe:example.org/ns/acme/robot', no],
    ['spiffe:///ns/acme/robot', no],
    ['spiffe://example.org:443/ns/acme/robot', no],
    ['spiffe://root@example.org/ns/acme/robot', no],
    ['spiffe://example.org/ns/acme/robot?x=y', no],
    ['spiffe://example.org/ns/acme/robot#x', no],
    ['spiffe://example.org/ns/acme/%72obot', no],
    ['spiffe://example.org/ns/acme/robot/', no],
    ['spiffe://example.org/', no],
    ['spiffe://example.org//ns/acme/robot', no],
    ['spiffe://example.org/ns//acme/robot', no],
    ['spiffe://example.org/ns/acme/./robot', no],
    ['spiffe://example.org/ns/acme/../acme/robot', no],
    ['spiffe://example.org/ns/acme/..', no],
    ['spiffe://example.org/ns/acme/robot ', no],
    [' spiffe://example.org/ns/acme/robot', no],
    ['spiffe://example.org/ns/acme/ro bot', no],
    ['spiffe://example.org/ns/acme/robot\n', no],
    ['spiffe://example.org/ns/acme/robot\0', no],
    ['spiffe://example.org\\ns\\acme\\robot', no],
    ['spiffe://example.org/ns/acme/r*bot', no],
    ['spiffe://example.org/ns/acme/a,URI:spiffe://example.org/x', no],
    [`spiffe://example.org/ns/acme/${'x'.repeat(2048)}`, no],
    [`spiffe://${'x'.repeat(256)}/ns/acme/robot`, no],
    ['', no],
    ['spiffe://', no],
    ['spiffe://example.org', /without a path/],
    ['spiffe://other.example/ns/acme/robot', /another trust domain: other\.example/],
    ['spiffe://example.org.attacker.example/ns/acme/robot', /another trust domain/],
    ['spiffe://sub.example.org/ns/acme/robot', /another trust domain/],
    ['spiffe://example.orgx/ns/acme/robot', /another trust domain/],
    ['spiffe://example_org/ns/acme/robot', /another trust domain/],
    ['spiffe://example.org./ns/acme/robot', /another trust domain/],
    ['spiffe://example.org/ns/beta/robot', /no tenant for/],
    ['spiffe://example.org/ns/acmex/robot', /no tenant for/],
    ['spiffe://example.org/ns', /no tenant for/],
  ];
  return Promise.all(
    names.map(async ([uri, reason]) => ({
      name: `SPIFFE ID ${JSON.stringify(uri).slice(0, 60)}`,
      certificate: shown([await field.leaf({ uris: [uri] })]),
      reason,
    })),
  );
}

export async function jwtSvidAttacks({ svid, stranger, embedded, workloads, now }: Field): Promise<readonly Attack[]> {
  const made: [string, Promise<string>, RegExp][] = [
    ['a stranger’s key under the right name', svid({}, { kid: 'svid' }, stranger), /SIGNATURE/],
    ['a stranger’s key', svid({}, {}, stranger), /no single key for kid "none"/],
    ['the issuer’s key', svid({}, {}, embedded), /no single key for kid "own"/],
    ['no kid', svid({}, { kid: undefined }), /JWT-SVID: no kid/],
    ['an access token’s type', svid({}, { typ: 'at+jwt' }), /JWT-SVID: typ "at\+jwt"/],
    ['a proof’s type', svid({}, { typ: 'dpop+jwt' }), /JWT-SVID: typ "dpop\+jwt"/],
    ['a type in small letters', svid({}, { typ: 'jwt' }), /JWT-SVID: typ "jwt"/],
    [
      'a key that it brings',
      svid({}, { jwk: stranger.publicJwk }, { ...stranger, kid: 'svid' }),
      /header parameter jwk/,
    ],
    ['a critical extension', svid({}, { crit: ['urn:x'], 'urn:x': 1 }), /header parameter crit/],
    ['another audience', svid({ aud: 'https://other.example' }), /another resource/],
    ['the trust domain as its audience', svid({ aud: 'spiffe://example.org' }), /another resource/],
    ['no audience', svid({ aud: undefined }), /aud/],
    ['an empty list of audiences', svid({ aud: [] }), /another resource/],
    ['no end', svid({ exp: undefined }), /exp/],
    ['expired', svid({ exp: now - 5 }), /EXPIRED/],
    ['good for a month', svid({ exp: now + 2_592_000 }), /lives for more than a day/],
    ['not valid yet', svid({ nbf: now + 60 }), /nbf/],
    ['of another trust domain', svid({ sub: 'spiffe://other.example/ns/acme/robot' }), /another trust domain/],
    ['of the trust domain itself', svid({ sub: 'spiffe://example.org' }), /without a path/],
    ['with dot segments', svid({ sub: 'spiffe://example.org/ns/beta/../acme/robot' }), /not a SPIFFE ID/],
    ['of no tenant', svid({ sub: 'spiffe://example.org/ns/beta/robot' }), /no tenant for/],
    ['a person’s name', svid({ sub: 'alice' }), /unknown issuer/],
    ['two names', svid({ sub: [ROBOT] }), /unknown issuer/],
    ['an issuer of ours, and a workload’s key', svid({ iss: 'https://idp.example' }), /typ|no single key/],
    ['bound to a key, as a bearer one', svid({ cnf: { jkt: 'a'.repeat(43) } }), /came like a bearer one/],
    ['for one server, at all of them', svid({ aud: `${MCP}/files` }), /another endpoint/],
  ];
  const hmac = svid({}, { alg: 'ES256' }, workloads).then((good) =>
    good.replace(/^[^.]+/, Buffer.from('{"alg":"HS256","kid":"svid"}').toString('base64url')),
  );
  const none = svid().then((good) =>
    good.replace(/^[^.]+/, Buffer.from('{"alg":"none","kid":"svid"}').toString('base64url')),
  );
  made.push(['HMAC', hmac, /JWT-SVID: algorithm "HS256"/], ['no algorithm', none, /JWT-SVID: algorithm "none"/]);
  return Promise.all(
    made.map(async ([name, token, reason]) => ({
      name: `JWT-SVID: ${name}`,
      authorization: `Bearer ${await token}`,
      reason,
    })),
  );
}
