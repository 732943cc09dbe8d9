import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { EdgeSettings, SpiffeTrust } from '../../src/contract/bundle.ts';
import type { ClientCertificate } from '../../src/contract/client-certificate.ts';
import { type Arrived, Authenticated } from '../../src/contract/tool-call.ts';
import { createEdge } from '../../src/gateway/transport/edge.ts';
import { certificate as edgeCertificate } from '../edge/certificate.ts';
import { verifies } from '../support/verifies.ts';
import {
  authority,
  certificate,
  type Held,
  certificate as makeCertificate,
  shown,
  thumbprintOf,
} from './support/authority.ts';
import { ecKey, sign } from './support/foreign-issuer.ts';
import { gateway, refused } from './support/gateway.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const ROBOT = 'spiffe://example.org/ns/acme/robot';
const HOUR = 3_600_000;

/** A trust domain of two authorities, the second with an intermediate. */
async function world(now = NOW) {
  const root = await authority('root', now);
  const next = await authority('next', now);
  const middle = await authority('middle', now, { pathLength: 0 }, next);
  const robot = await certificate('robot', now, { uris: [ROBOT] }, root);
  return { root, next, middle, robot };
}

function trusting(...roots: readonly Held[]): SpiffeTrust {
  return {
    trustDomain: 'example.org',
    tenants: { '/ns/acme': 'acme', '/ns/acme/guests': 'guests', '/ns/beta': 'beta' },
    x509: roots.map(({ pem }) => pem),
    jwt: { keys: [] },
  };
}

/** The stage, asked by a client that has this certificate and no token. */
function asking(t: TestContext, spiffe: SpiffeTrust) {
  const edge = gateway(t);
  edge.publish({ spiffe });
  return { ...edge, as: (certificate: ClientCertificate | undefined) => edge.ask(undefined, { certificate }) };
}

test('a workload is who its X.509-SVID says, in the tenant of its path', async (t) => {
  verifies('authn.workload');
  const { root, next, middle, robot } = await world();
  const { as } = asking(t, trusting(root, next));
  assert.deepEqual(await as(shown([robot])), {
    id: ROBOT,
    kind: 'Workload',
    tenant: 'acme',
    groups: [],
    acr: undefined,
    authTime: undefined,
    key: JSON.stringify(['spiffe', 'acme', ROBOT]),
    tokenId: undefined,
  });
  const guest = await certificate('guest', NOW, { uris: [`spiffe://example.org/ns/acme/guests/g`] }, middle);
  assert.equal((await as(shown([guest, middle]))).tenant, 'guests');
  await refused(as(undefined), /no Authorization/);
});

test('a token beside a certificate is what counts, and a bound one only with its own certificate (RFC 8705)', async (t) => {
  verifies('authn.workload');
  const { root, robot } = await world();
  const { ask, issuer, publish, claims, clock } = asking(t, trusting(root));
  const key = ecKey('k');
  const trusted = {
    issuer: issuer.issuerUrl,
    jwks: { keys: [key.publicJwk] },
    tenant: { claim: 'tenant' },
    embedded: true,
  };
  publish({ issuers: [trusted] });
  const bind = (cnf: object) => sign(key, claims(issuer.issuerUrl, { cnf }));
  const own = { certificate: shown([robot]) };
  const bound = `Bearer ${await bind({ 'x5t#S256': thumbprintOf(robot) })}`;
  assert.equal((await ask(bound, own)).id, 'bob');
  await refused(ask(bound), /has shown none/);
  const selfSigned = await certificate('thief', NOW, { uris: [ROBOT] });
  await refused(ask(bound, { certificate: shown([selfSigned], 'DEPTH_ZERO_SELF_SIGNED_CERT') }), /another certificate/);
  // Self-signed is enough where the token names it (RFC 8705 §2.2): that the client holds the key is all that counts.
  const itself = `Bearer ${await bind({ 'x5t#S256': thumbprintOf(selfSigned) })}`;
  assert.equal((await ask(itself, { certificate: shown([selfSigned], 'DEPTH_ZERO_SELF_SIGNED_CERT') })).id, 'bob');
  for (const cnf of [
    { jkt: 'a'.repeat(43), 'x5t#S256': thumbprintOf(robot) },
    { 'x5t#S256': thumbprintOf(robot), kid: 'x' },
  ])
    await refused(ask(`Bearer ${await bind(cnf)}`, own), /like a bearer one|cannot be confirmed/);
  clock.at += HOUR;
  const late = `Bearer ${await bind({ 'x5t#S256': thumbprintOf(robot) })}`;
  await refused(ask(late, own), /certificate that has expired/);
});

test('an SVID dies with its own time, and with its authority when that leaves the bundle, connected or not', async (t) => {
  verifies('authn.workload');
  const { root, next, robot } = await world();
  const { as, publish, clock } = asking(t, trusting(root, next));
  const connected = shown([robot]);
  assert.equal((await as(connected)).id, ROBOT);
  publish({ spiffe: trusting(next) });
  await refused(as(connected), /no authority of the trust domain/);
  publish({ spiffe: trusting(next, root) });
  assert.equal((await as(connected)).id, ROBOT);
  clock.at = NOW + HOUR;
  await refused(as(connected), /certificate has expired/);
  publish({ spiffe: undefined });
  await refused(as(connected), /no Authorization/);
});

test('no stream outlives the certificate that its caller was known by, or was bound to, or had to show', async (t) => {
  verifies('authn.edge', 'authn.workload');
  const { root, robot } = await world();
  const edge = asking(t, trusting(root));
  const key = ecKey('k');
  const trusted = { issuer: edge.issuer.issuerUrl, jwks: { keys: [key.publicJwk] }, tenant: { claim: 'tenant' } };
  edge.publish({ issuers: [{ ...trusted, embedded: true }] });
  const certificate = shown([robot]);
  const until = async (authorization?: string) =>
    (await edge.stage(edge.request(authorization, { certificate }))).until;
  const token = async (change: Record<string, unknown>) =>
    `Bearer ${await sign(key, edge.claims(edge.issuer.issuerUrl, change))}`;
  const day = NOW / 1000 + 86_400;
  const cnf = { 'x5t#S256': thumbprintOf(robot) };
  assert.equal(await until(), NOW + HOUR);
  assert.equal(await until(await token({ exp: day })), (day + 5) * 1000);
  assert.equal(await until(await token({ exp: day, cnf })), NOW + HOUR);
  assert.equal(await until(await token({ cnf })), NOW + 605_000);
  const short = await authority('short', NOW, { until: NOW + HOUR / 2 });
  edge.publish({ spiffe: trusting(short) });
  const under = shown([await makeCertificate('robot', NOW, { uris: [ROBOT] }, short)]);
  assert.equal((await edge.stage(edge.request(undefined, { certificate: under }))).until, NOW + HOUR / 2);
  const settings = {
    origin: edge.issuer.issuerUrl,
    serverNames: [],
    allowedOrigins: [],
    unauthenticated: 421,
    maxBody: 1,
  } as const;
  edge.publish({ edge: { ...settings, clientCa: root.pem } });
  assert.equal(await until(await token({ exp: day })), NOW + HOUR);
});

/** The edge on a socket, before the stage; what it hands on is what a real handshake has shown. */
async function mutualEdge(t: TestContext, change: { spiffe?: SpiffeTrust; clientCa?: string }) {
  const identity = await edgeCertificate('localhost');
  const stage = gateway(t);
  const edge: EdgeSettings = {
    ...{
      origin: 'https://localhost:8443',
      serverNames: ['localhost'],
      allowedOrigins: [],
      unauthenticated: 421,
      maxBody: 1000,
    },
    ...(change.clientCa !== undefined && { clientCa: change.clientCa }),
  };
  stage.clock.at = Date.now();
  stage.publish({ edge, spiffe: change.spiffe });
  const refusals: string[] = [];
  const listener = createEdge({
    identity: { ...identity, serverNames: ['localhost'], clientAuthorities: [] },
    settings: () => edge,
    issuers: () => [],
    report: () => {},
    now: Date.now,
    handle: async (arrived: Arrived) => {
      try {
        const call = await stage.stage(arrived);
        assert.ok(call instanceof Authenticated);
        return { status: 200, headers: {}, body: call.subject.id };
      } catch (error) {
        refusals.push(String(error));
        return { status: 421, headers: {}, body: '' };
      }
    },
  });
  const authorities = [...(change.clientCa === undefined ? [] : [change.clientCa]), ...(change.spiffe?.x509 ?? [])];
  listener.renew({ clientAuthorities: authorities });
  const port = await listener.listen('127.0.0.1', 0);
  t.after(() => listener.close(0));
  const open = async (by?: readonly Held[]): Promise<TLSSocket> => {
    const own = by?.[0] && { key: by[0].key, cert: by.map(({ pem }) => pem).join('\n') };
    const socket = connect({ host: '127.0.0.1', port, ca: identity.cert, servername: 'localhost', ...own });
    await once(socket, 'secureConnect');
    return socket;
  };
  const ask = (socket: TLSSocket, authorization?: string): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const headers = { connection: 'keep-alive', ...(authorization && { authorization }) };
      const sent = request(
        { createConnection: () => socket, method: 'POST', path: '/mcp', headers },
        async (answer) => {
          let body = '';
          for await (const chunk of answer) body += chunk;
          resolve({ status: answer.statusCode ?? 0, body });
        },
      );
      sent.on('error', reject).end();
    });
  const one = async (by?: readonly Held[], authorization?: string) => {
    const socket = await open(by);
    const answer = await ask(socket, authorization);
    socket.destroy();
    return answer;
  };
  return { stage, listener, refusals, open, ask, one };
}

test('over TLS: the SVID that was shown, no other, and for nobody else than who holds its key', async (t) => {
  verifies('authn.workload', 'authn.edge');
  const { root, next, middle, robot } = await world(Date.now());
  const { one, refusals } = await mutualEdge(t, { spiffe: trusting(root, next) });
  assert.deepEqual(await one([robot]), { status: 200, body: ROBOT });
  const deep = await certificate('deep', Date.now(), { uris: [ROBOT] }, middle);
  assert.deepEqual(await one([deep, middle]), { status: 200, body: ROBOT });

  const stranger = await authority('root', Date.now());
  const cases: [readonly Held[] | undefined, RegExp][] = [
    [undefined, /no Authorization/],
    [[deep], /no authority of the trust domain/],
    [[await certificate('x', Date.now(), { uris: [ROBOT] }, stranger)], /no authority of the trust domain/],
    [[await certificate('x', Date.now(), { uris: [ROBOT] })], /no authority of the trust domain/],
    [[await certificate('x', Date.now(), { uris: [ROBOT, ROBOT] }, root)], /2 URIs/],
    [[await certificate('x', Date.now(), { names: [{ type: 'dns', value: 'robot' }] }, root)], /no URI/],
    [[await certificate('x', Date.now(), { uris: [ROBOT], until: Date.now() - 1000 }, root)], /has expired/],
  ];
  for (const [by, detail] of cases) {
    assert.deepEqual(await one(by), { status: 421, body: '' });
    assert.match(refusals.at(-1) ?? '', detail);
  }
});

test('where a client CA is set, whoever shows no certificate of it gets the one answer after a good handshake', async (t) => {
  verifies('authn.workload', 'transport.tls13');
  const now = Date.now();
  const ca = await authority('clients', now, { uris: [] });
  const { one, stage, refusals } = await mutualEdge(t, { clientCa: ca.pem });
  const token = `Bearer ${await stage.mint()}`;
  const laptop = await certificate('laptop', now, {}, ca);
  assert.deepEqual(await one([laptop], token), { status: 200, body: 'alice' });
  const other = await certificate('laptop', now, {}, await authority('clients', now, { uris: [] }));
  const old = await certificate('laptop', now, { until: now - 1000 }, ca);
  const server = await certificate('laptop', now, { extendedUsage: ['1.3.6.1.5.5.7.3.1'] }, ca);
  const cases: [readonly Held[] | undefined, string | undefined, RegExp][] = [
    [undefined, token, /no client certificate/],
    [[other], token, /CERT_SIGNATURE_FAILURE/],
    [[old], token, /CERT_HAS_EXPIRED/],
    [[server], token, /INVALID_PURPOSE/],
    [[laptop], undefined, /no Authorization/],
  ];
  for (const [by, authorization, detail] of cases) {
    assert.deepEqual(await one(by, authorization), { status: 421, body: '' });
    assert.match(refusals.at(-1) ?? '', detail);
  }
});

test('a certificate of the client CA is no SVID, whatever URI it says', async (t) => {
  verifies('authn.workload');
  const now = Date.now();
  const [{ root }, ca] = [await world(now), await authority('clients', now, { uris: [] })];
  const { one, refusals } = await mutualEdge(t, { clientCa: ca.pem, spiffe: trusting(root) });
  assert.equal((await one([await certificate('robot', now, { uris: [ROBOT] }, root)])).body, ROBOT);
  for (const [wish, detail] of [
    [{ uris: [ROBOT] }, /no authority of the trust domain/],
    [{}, /no URI/],
  ] as const) {
    assert.equal((await one([await certificate('robot', now, wish, ca)])).status, 421);
    assert.match(refusals.at(-1) ?? '', detail);
  }
});

test('authorities and the edge’s own certificate are renewed without a connection being dropped', async (t) => {
  verifies('authn.workload', 'transport.tls13');
  const { root, next, robot } = await world(Date.now());
  const { stage, listener, open, ask, one } = await mutualEdge(t, { spiffe: trusting(root) });
  const socket = await open([robot]);
  assert.equal((await ask(socket)).body, ROBOT);
  const newcomer = await certificate('robot', Date.now(), { uris: [ROBOT] }, next);
  assert.equal((await one([newcomer])).status, 421);
  const identity = await edgeCertificate('localhost');
  stage.publish({ spiffe: trusting(root, next) });
  listener.renew({ clientAuthorities: [root.pem, next.pem] });
  assert.equal((await one([newcomer])).body, ROBOT);
  assert.equal((await ask(socket)).body, ROBOT);
  listener.renew(identity);
  await assert.rejects(one([newcomer]), /self-signed|DEPTH_ZERO|unable to verify/i);
  assert.equal((await ask(socket)).body, ROBOT);
  stage.publish({ spiffe: trusting(next) });
  assert.equal((await ask(socket)).status, 421);
  socket.destroy();
});
