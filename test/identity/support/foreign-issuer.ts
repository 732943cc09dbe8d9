import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type JWTPayload, SignJWT } from 'jose';
import { openPki } from '../../../src/control-plane/pki/pki.ts';
import { scratch } from '../../support/scratch.ts';

/** A key pair as an issuer holds it. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: Readonly<Record<string, unknown>>;
}

export function ecKey(kid: string): IssuerKey {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    kid,
    alg: 'ES256',
    privateKey: pair.privateKey,
    publicJwk: { ...pair.publicKey.export({ format: 'jwk' }), kid },
  };
}

export function rsaKey(kid: string, modulusLength: number): IssuerKey {
  const pair = generateKeyPairSync('rsa', { modulusLength });
  return {
    kid,
    alg: 'RS256',
    privateKey: pair.privateKey,
    publicJwk: { ...pair.publicKey.export({ format: 'jwk' }), kid },
  };
}

export function edKey(kid: string): IssuerKey {
  const pair = generateKeyPairSync('ed25519');
  return {
    kid,
    alg: 'EdDSA',
    privateKey: pair.privateKey,
    publicJwk: { ...pair.publicKey.export({ format: 'jwk' }), kid },
  };
}

/** Signs claims; `header` is laid over the usual one. */
export function sign(key: IssuerKey, claims: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header })
    .sign(key.privateKey, header.crit ? { crit: { 'urn:x': true } } : {});
}

/** An https server on loopback with a certificate of its own authority. */
export async function httpsServer(t: TestContext, serve: RequestListener, options: ServerOptions = {}) {
  const pki = await openPki(scratch(t), Date.now);
  const { key, cert } = await pki.leaf(['localhost', '127.0.0.1']);
  const server = createServer({ key, cert, ...options }, serve);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, ca: pki.caPem };
}

/** An authorization server's metadata and key set, whose answers a test may change while it runs. */
export async function foreignIssuer(t: TestContext) {
  const key = ecKey('first');
  const issuer = {
    url: '',
    ca: '',
    key,
    keys: [key.publicJwk] as unknown[],
    /** Laid over the metadata. */
    metadata: {} as Record<string, unknown>,
    /** Answers a path in place of the usual. */
    instead: {} as Record<string, RequestListener>,
    requests: [] as string[],
  };
  const server = await httpsServer(t, (request, response) => {
    const path = request.url ?? '';
    issuer.requests.push(path);
    const instead = issuer.instead[path];
    if (instead) return instead(request, response);
    const json = (value: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/.well-known/openid-configuration') {
      return json({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...issuer.metadata });
    }
    if (path === '/keys') return json({ keys: issuer.keys });
    return response.writeHead(404).end();
  });
  issuer.url = `https://localhost:${server.port}`;
  issuer.ca = server.ca;
  return issuer;
}
