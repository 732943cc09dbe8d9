import type { TestContext } from 'node:test';
import type { AuditRecord } from '../../../src/contract/audit-sink.ts';
import type { SpiffeTrust } from '../../../src/contract/bundle.ts';
import type { ClientCertificate } from '../../../src/contract/client-certificate.ts';
import { createPipeline, type Rooms } from '../../../src/gateway/pipeline.ts';
import { refusalAnswer } from '../../../src/gateway/protocol/respond.ts';
import { authority, certificate, type Held, thumbprintOf } from '../support/authority.ts';
import { ecKey, edKey, type IssuerKey, rsaKey, sign } from '../support/foreign-issuer.ts';
import { type Asking, gateway, ORIGIN } from '../support/gateway.ts';
import { type Holder, holder } from '../support/holder.ts';

/** One attempt to be somebody: what is sent, and what the log must say of it. */
export interface Attack {
  readonly name: string;
  readonly authorization?: string | undefined;
  readonly dpop?: string | undefined;
  readonly certificate?: ClientCertificate;
  readonly asking?: Asking;
  readonly reason: RegExp;
}

export const IDP = 'https://idp.example';
export const ROBOT = 'spiffe://example.org/ns/acme/robot';

/** What everybody is after: a gateway that trusts an issuer of its own, a foreign one and a trust domain. */
export interface Field {
  /** Seconds since the epoch. */
  readonly now: number;
  readonly embedded: IssuerKey;
  readonly foreign: IssuerKey;
  readonly rsa: IssuerKey;
  readonly edwards: IssuerKey;
  /** Of nobody that the gateway knows. */
  readonly stranger: IssuerKey;
  /** Of the trust domain's JWT-SVIDs. */
  readonly workloads: IssuerKey;
  readonly root: Held;
  readonly middle: Held;
  readonly robot: Held;
  readonly holder: Holder;
  readonly thief: Holder;
  /** A good token of the embedded issuer, but for what the change does. */
  token(change?: Record<string, unknown>, header?: Record<string, unknown>, key?: IssuerKey): Promise<string>;
  /** Of the foreign issuer. */
  alien(change?: Record<string, unknown>, header?: Record<string, unknown>, key?: IssuerKey): Promise<string>;
  /** A JWT-SVID. */
  svid(change?: Record<string, unknown>, header?: Record<string, unknown>, key?: IssuerKey): Promise<string>;
  /** A leaf of the trust domain's root. */
  leaf(wish?: Parameters<typeof certificate>[2], issuer?: Held): Promise<Held>;
  readonly milliseconds: number;
}

export async function field(t: TestContext) {
  const edge = gateway(t);
  const { at } = edge.clock;
  const [embedded, foreign, stranger, workloads] = [ecKey('own'), ecKey('idp'), ecKey('none'), ecKey('svid')];
  const [rsa, edwards] = [rsaKey('rsa', 2048), edKey('ed')];
  const root = await authority('root', at);
  const middle = await authority('middle', at, { pathLength: 0 }, root);
  const robot = await certificate('robot', at, { uris: [ROBOT] }, root);
  const [own, thief] = [await holder(), await holder()];
  const spiffe: SpiffeTrust = {
    trustDomain: 'example.org',
    tenants: { '/ns/acme': 'acme' },
    x509: [root.pem],
    jwt: { keys: [workloads.publicJwk] },
  };
  const keys = [foreign, rsa, edwards].map(({ publicJwk }) => publicJwk);
  edge.publish({
    spiffe,
    revoked: ['revoked-jti'],
    issuers: [
      { issuer: ORIGIN, jwks: { keys: [embedded.publicJwk] }, tenant: { claim: 'tenant' }, embedded: true },
      { issuer: IDP, jwks: { keys }, tenant: { claim: 'tenant' }, embedded: false },
    ],
  });
  const now = at / 1000;
  const good: Field = {
    now,
    milliseconds: at,
    ...{ embedded, foreign, rsa, edwards, stranger, workloads, root, middle, robot, holder: own, thief },
    token: (change, header, key = embedded) => sign(key, edge.claims(ORIGIN, change), header),
    alien: (change, header, key = foreign) => sign(key, edge.claims(IDP, change), header),
    svid: (change, header, key = workloads) =>
      sign(key, { sub: ROBOT, aud: `${ORIGIN}/mcp`, exp: now + 300, iat: now, ...change }, { typ: 'JWT', ...header }),
    leaf: (wish = {}, issuer = root) => certificate('leaf', at, { uris: [ROBOT], ...wish }, issuer),
  };

  const records: AuditRecord[] = [];
  const settings = { origin: ORIGIN, serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 1 } as const;
  const rooms = {
    version: 1,
    authenticate: edge.stage,
    guard: () => {
      throw new Error('somebody came in');
    },
    refuse: (refusal, call) => refusalAnswer(refusal, call, settings),
  } as Pick<Rooms, 'version' | 'authenticate' | 'guard' | 'refuse'> as Rooms;
  const pipeline = createPipeline({
    rooms: () => rooms,
    audit: {
      sink: { append: async (record) => void records.push(record), close: () => {} },
      now: () => edge.clock.at,
      redact: (text) => text,
      digest: (text) => text,
      edgeBudget: () => ({ write: true, suppressed: 0 }),
    },
    fault: (_, error) => records.push({ event: 'edge', detail: `fault: ${error}` } as AuditRecord),
    count: () => {},
  });
  return {
    good,
    edge,
    /** What the attacker gets, as bytes, and what the log says. */
    async attempt({ authorization, dpop, certificate: client, asking }: Attack) {
      const headers = { ...(dpop !== undefined && { dpop }), ...asking?.headers };
      const {
        status,
        headers: head,
        body,
      } = await pipeline(edge.request(authorization, { ...asking, certificate: client, headers }));
      return { answer: JSON.stringify([status, head, body]), detail: records.at(-1)?.detail ?? 'nothing on record' };
    },
    bindTo: (certificate: Held) => ({ cnf: { 'x5t#S256': thumbprintOf(certificate) } }),
  };
}
