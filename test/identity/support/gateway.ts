import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { GatewayBundle, TrustedIssuer } from '../../../src/contract/bundle.ts';
import type { ClientCertificate } from '../../../src/contract/client-certificate.ts';
import { Refusal } from '../../../src/contract/refusal.ts';
import type { StateStore } from '../../../src/contract/state-store.ts';
import { Arrived, type Subject } from '../../../src/contract/tool-call.ts';
import { openIssuer } from '../../../src/control-plane/issuer/issuer.ts';
import { memoryStore } from '../../../src/drivers/state-store/memory.ts';
import { authenticateStage } from '../../../src/gateway/authentication/stage.ts';
import { openOutbound } from '../../../src/gateway/transport/outbound.ts';
import { noEvents } from '../../support/calls.ts';
import { scratch } from '../../support/scratch.ts';

export const ORIGIN = 'https://localhost:8443';
export const MCP = `${ORIGIN}/mcp`;

export interface Asking {
  /** The one server of the endpoint; absent: /mcp. */
  readonly server?: string;
  readonly query?: string;
  readonly method?: string;
  readonly transport?: 'streamable' | 'sse';
  readonly certificate?: ClientCertificate | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/**
 * The stage behind a real embedded issuer and a real outbound client; a clock that the test moves. `issuers` and
 * `revoked` may be changed; `publish` makes a new bundle of them.
 */
export function gateway(
  t: TestContext,
  foreign: readonly TrustedIssuer[] = [],
  { deadline = 60_000, state }: { readonly deadline?: number; readonly state?: Pick<StateStore, 'once'> } = {},
) {
  const clock = { at: Date.parse('2026-11-22T12:00:00Z') };
  const now = () => clock.at;
  const issuer = openIssuer({
    stateDir: scratch(t),
    issuerUrl: ORIGIN,
    resources: [MCP, `${MCP}/files`, `${MCP}/notes`],
    now,
  });
  const embedded = (): TrustedIssuer => ({
    issuer: ORIGIN,
    jwks: issuer.jwks(),
    tenant: { claim: 'tenant' },
    embedded: true,
  });
  const edge = {
    origin: ORIGIN,
    serverNames: ['localhost'],
    allowedOrigins: [],
    unauthenticated: 421 as const,
    maxBody: 1_000_000,
  };
  let bundle: Pick<GatewayBundle, 'edge' | 'issuers' | 'revoked' | 'nonceKey' | 'spiffe'> = {
    edge,
    issuers: [embedded(), ...foreign],
    revoked: issuer.revoked(),
  };
  const outbound = openOutbound(deadline);
  const fetched: string[] = [];
  const stage = authenticateStage({
    bundle: () => bundle,
    now,
    state: state ?? memoryStore(now),
    sources: { demand: () => {}, bad: () => {} },
    fetchPublic: (url, options) => {
      fetched.push(url);
      return outbound(url, options);
    },
  });

  function request(authorization: string | undefined, asking: Asking = {}): Arrived {
    return new Arrived({
      incident: 'i-1',
      at: now(),
      remote: '127.0.0.1',
      server: asking.server,
      certificate: asking.certificate,
      transport: asking.transport ?? 'streamable',
      httpMethod: asking.method ?? 'POST',
      query: asking.query ?? '',
      headers: { ...(authorization === undefined ? {} : { authorization }), ...asking.headers },
      body: async () => new Uint8Array(),
      signal: new AbortController().signal,
      events: noEvents,
    });
  }
  /** One request; each time it is called, the stage sees the same one. */
  function arrive(authorization: string | undefined, asking?: Asking): () => Promise<Subject> {
    const arrived = request(authorization, asking);
    return async () => (await stage(arrived)).subject;
  }
  const ask = (authorization: string | undefined, asking?: Asking): Promise<Subject> => arrive(authorization, asking)();

  return {
    issuer,
    clock,
    /** URLs that the stage asked for. */
    fetched,
    ask,
    arrive,
    request,
    stage,
    bearer: (token: string, asking?: Asking) => ask(`Bearer ${token}`, asking),
    /** `undefined` takes a member out. */
    publish(change: { readonly [K in keyof typeof bundle]?: (typeof bundle)[K] | undefined } = {}) {
      const next = Object.entries({ ...bundle, revoked: issuer.revoked(), ...change });
      bundle = Object.fromEntries(next.filter(([, value]) => value !== undefined)) as unknown as typeof bundle;
    },
    mint: (wish: Partial<Parameters<typeof issuer.mint>[0]> = {}) =>
      issuer.mint({ subject: 'alice', tenant: 'acme', audience: MCP, ttlSeconds: 600, ...wish }),
    /** Claims that a good foreign token has, now. */
    claims: (iss: string, change: Record<string, unknown> = {}) => {
      const seconds = Math.floor(clock.at / 1000);
      return { iss, sub: 'bob', tenant: 'beta', aud: MCP, iat: seconds, exp: seconds + 600, jti: 'j-1', ...change };
    },
  };
}

/** The one public answer, with this reason for the log. */
export async function refused(asked: Promise<unknown>, detail: RegExp): Promise<void> {
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.equal(error.code, 'unauthenticated');
    assert.match(error.detail, detail);
    assert.equal(error.data, undefined);
    return true;
  });
}
