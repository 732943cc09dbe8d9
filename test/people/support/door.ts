import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type Issuer, type IssuerOptions, openIssuer } from '../../../src/control-plane/issuer/issuer.ts';
import { openPki } from '../../../src/control-plane/pki/pki.ts';
import { createEdge } from '../../../src/gateway/transport/edge.ts';
import { scratch } from '../../support/scratch.ts';
import { spkiOf } from './browser.ts';

/** A client program on this device that waits for its code. */
export interface Callback {
  readonly uri: string;
  /** The query of the next visit. */
  next(): Promise<URLSearchParams>;
}

export interface Door {
  readonly origin: string;
  readonly mcp: string;
  readonly issuer: Issuer;
  readonly callback: Callback;
  readonly events: { event: string; subject?: string; detail?: string }[];
  readonly stateDir: string;
  /** SHA-256 of the certificate's key, base64. */
  readonly spki: string;
  /** The authority's PEM. */
  readonly ca: string;
  /** An authorization request of the client `stock`; gives the verifier of its PKCE. */
  ask(change?: Readonly<Record<string, string>>): {
    readonly url: string;
    readonly verifier: string;
    readonly state: string;
  };
  redeem(
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: Record<string, unknown>; nonce: string | undefined }>;
}

/** The embedded issuer behind the real edge, and a client's loopback redirect beside it. */
export async function openDoor(t: Pick<TestContext, 'after'>, more: Partial<IssuerOptions> = {}): Promise<Door> {
  const stateDir = scratch(t as TestContext);
  const pki = await openPki(stateDir, Date.now);
  const leaf = await pki.leaf(['localhost']);
  let issuer: Issuer | undefined;
  let origin = '';
  const edge = createEdge({
    identity: { serverNames: ['localhost'], ...leaf },
    settings: () => ({ origin, serverNames: ['localhost'], allowedOrigins: [], unauthenticated: 401, maxBody: 65_536 }),
    issuers: () => [origin],
    handle: async () => ({ status: 500, headers: {}, body: '' }),
    issuer: async (request) => issuer?.handle(request) ?? { status: 503, headers: {}, body: '' },
    report: () => {},
    now: Date.now,
  });
  origin = `https://localhost:${await edge.listen('127.0.0.1', 0)}`;
  const mcp = `${origin}/mcp`;
  const callback = await openCallback(t);
  const events: Door['events'] = [];
  const opened = openIssuer({
    stateDir,
    issuerUrl: origin,
    resources: [mcp, `${mcp}/files`],
    clients: [{ id: 'stock', name: 'Stock Client', redirectUris: [callback.uri.replace(/:\d+/, ':1')] }],
    now: Date.now,
    report: (event) => events.push(event),
    ...more,
  });
  issuer = opened;
  t.after(async () => {
    await edge.close(0);
    opened.close();
  });
  return {
    origin,
    mcp,
    issuer: opened,
    callback,
    events,
    stateDir,
    spki: spkiOf(leaf.cert),
    ca: pki.caPem,
    ask(change = {}) {
      const verifier = randomBytes(32).toString('base64url');
      const state = randomBytes(8).toString('base64url');
      const params = new URLSearchParams({
        response_type: 'code',
        client_id: 'stock',
        redirect_uri: callback.uri,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        resource: mcp,
        state,
        ...change,
      });
      return { url: `${origin}/oauth/authorize?${params}`, verifier, state };
    },
    async redeem(fields, headers = {}) {
      const answer = await opened.handle({
        method: 'POST',
        url: '/oauth/token',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ client_id: 'stock', ...fields }).toString(),
      });
      const { 'dpop-nonce': nonce } = answer.headers;
      return {
        status: answer.status,
        body: JSON.parse(answer.body),
        nonce: typeof nonce === 'string' ? nonce : undefined,
      };
    },
  };
}

async function openCallback(t: Pick<TestContext, 'after'>): Promise<Callback> {
  const visits: URLSearchParams[] = [];
  const waiting: ((query: URLSearchParams) => void)[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(`http://localhost${request.url}`);
    if (pathname === '/callback') {
      const next = waiting.shift();
      if (next === undefined) visits.push(searchParams);
      else next(searchParams);
    }
    response
      .setHeader('content-type', 'text/html')
      .end('<!doctype html><title>client</title>You may go back to the client.');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http://127.0.0.1:${port}/callback`,
    next: () =>
      new Promise((resolve) => {
        const visit = visits.shift();
        if (visit === undefined) waiting.push(resolve);
        else resolve(visit);
      }),
  };
}
