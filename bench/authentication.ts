/** What it costs to know who calls: a verdict that is cached, and one that is not. Prints microseconds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Arrived } from '../src/contract/tool-call.ts';
import { openIssuer } from '../src/control-plane/issuer/issuer.ts';
import { memoryStore } from '../src/drivers/state-store/memory.ts';
import { authenticateStage } from '../src/gateway/authentication/stage.ts';
import { noEvents } from '../test/support/calls.ts';

const ORIGIN = 'https://localhost:8443';
const TOKENS = 1000;
const CACHED_CALLS = 100_000;

const stateDir = mkdtempSync(join(tmpdir(), 'innerkeep-bench-'));
try {
  const issuer = openIssuer({ stateDir, issuerUrl: ORIGIN, resources: [`${ORIGIN}/mcp`], now: Date.now });
  const wish = { tenant: 'acme', groups: ['ops'], audience: `${ORIGIN}/mcp`, ttlSeconds: 3600 };
  const calls: Arrived[] = [];
  for (let at = 0; at < TOKENS; at++) calls.push(arrived(await issuer.mint({ ...wish, subject: `user-${at}` })));
  const bundle = {
    edge: { origin: ORIGIN, serverNames: [], allowedOrigins: [], unauthenticated: 421 as const, maxBody: 1 },
    issuers: [{ issuer: ORIGIN, jwks: issuer.jwks(), tenant: { claim: 'tenant' }, embedded: true }],
    revoked: [],
  };
  const fetchPublic = () => Promise.reject(new Error('no fetch in this bench'));
  const stage = authenticateStage({ bundle: () => bundle, fetchPublic, state: memoryStore(Date.now), now: Date.now });
  const run = async (times: number) => {
    const begin = process.hrtime.bigint();
    for (let at = 0; at < times; at++) await stage(calls[at % TOKENS] as Arrived);
    return Number(process.hrtime.bigint() - begin) / 1000 / times;
  };
  const first = await run(TOKENS);
  await run(CACHED_CALLS / 5);
  const rounds = [await run(CACHED_CALLS), await run(CACHED_CALLS), await run(CACHED_CALLS)];
  console.log(`first sight of a token (ES256)   ${first.toFixed(1)} µs`);
  console.log(`cached verdict, 1000 subjects    ${Math.min(...rounds).toFixed(2)} µs (best of ${rounds.length})`);
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}

function arrived(token: string): Arrived {
  return new Arrived({
    incident: 'bench',
    at: 0,
    remote: '127.0.0.1',
    server: undefined,
    transport: 'streamable',
    httpMethod: 'POST',
    query: '',
    headers: { authorization: `Bearer ${token}` },
    body: () => Promise.resolve(new Uint8Array()),
    signal: new AbortController().signal,
    events: noEvents,
  });
}
