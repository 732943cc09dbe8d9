/**
 * What it costs to know who calls, in microseconds: a token at first sight, one whose verdict is cached, and one that is
 * bound to a key, beside the verification of its proof alone. Then whether the time of a refusal tells anything of a
 * subject: forged tokens of one that is known and of one that is not, in turn (Welch's t; beyond ±4.5 it would).
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Arrived } from '../src/contract/tool-call.ts';
import { openIssuer } from '../src/control-plane/issuer/issuer.ts';
import { memoryStore } from '../src/drivers/state-store/memory.ts';
import { nonces } from '../src/gateway/authentication/nonces.ts';
import { proofVerifier } from '../src/gateway/authentication/proof.ts';
import { authenticateStage } from '../src/gateway/authentication/stage.ts';
import { ecKey, sign } from '../test/identity/support/foreign-issuer.ts';
import { holder, proof } from '../test/identity/support/holder.ts';
import { noEvents } from '../test/support/calls.ts';

const ORIGIN = 'https://localhost:8443';
const MCP = `${ORIGIN}/mcp`;
const TOKENS = 1000;
const CACHED_CALLS = 100_000;
const PROOFS = 2000;
const ROUNDS = 7;
const FORGED = 4000;

const stateDir = mkdtempSync(join(tmpdir(), 'innerkeep-bench-'));
try {
  const issuer = openIssuer({ stateDir, issuerUrl: ORIGIN, resources: [MCP], now: Date.now });
  const nonceKey = 'bench';
  const bundle = {
    edge: { origin: ORIGIN, serverNames: [], allowedOrigins: [], unauthenticated: 421 as const, maxBody: 1 },
    issuers: [{ issuer: ORIGIN, jwks: issuer.jwks(), tenant: { claim: 'tenant' }, embedded: true }],
    revoked: [],
    nonceKey,
  };
  const fetchPublic = () => Promise.reject(new Error('no fetch in this bench'));
  const sources = { demand: () => {}, bad: () => {} };
  const state = memoryStore(Date.now);
  const stage = authenticateStage({ bundle: () => bundle, fetchPublic, state, now: Date.now, sources });
  const wish = { tenant: 'acme', groups: ['ops'], audience: MCP, ttlSeconds: 3600 };

  const calls: Arrived[] = [];
  for (let at = 0; at < TOKENS; at++)
    calls.push(arrived({ authorization: `Bearer ${await issuer.mint({ ...wish, subject: `user-${at}` })}` }));
  const bearer = (times: number) => perCall(times, (at) => stage(calls[at % TOKENS] as Arrived));
  const first = await bearer(TOKENS);
  await bearer(CACHED_CALLS / 5);

  const key = await holder();
  const token = await issuer.mint({ ...wish, subject: 'bound', dpopJkt: key.thumbprint });
  const verify = proofVerifier();
  const about = { thumbprint: key.thumbprint, method: 'POST', target: MCP, token: hash('sha256', token, 'base64url') };
  const times = { cached: [] as number[], alone: [] as number[], bound: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const nonce = nonces(nonceKey).current(Date.now());
    const made = Array.from({ length: PROOFS }, () =>
      proof(key, { token, htu: MCP, iat: Date.now() / 1000, claims: { nonce, jti: randomUUID() } }),
    );
    const bound = made.map((dpop) => arrived({ authorization: `DPoP ${token}`, dpop }));
    times.cached.push(await bearer(CACHED_CALLS));
    times.alone.push(await perCall(PROOFS, (at) => verify(made[at], { ...about, now: Date.now() })));
    times.bound.push(await perCall(PROOFS, (at) => stage(bound[at] as Arrived)));
  }
  const [cached, alone, whole] = [best(times.cached), best(times.alone), best(times.bound)];
  console.log(`first sight of a token (ES256)         ${first.toFixed(1)} µs`);
  console.log(`cached verdict, ${TOKENS} subjects          ${cached.toFixed(2)} µs (best of ${ROUNDS}; at most 10)`);
  console.log(`a proof alone (ES256, known key)       ${alone.toFixed(1)} µs`);
  console.log(`a bound token with its proof           ${whole.toFixed(1)} µs`);
  console.log(`ratio to a bearer one and the proof    ${(whole / (cached + alone)).toFixed(3)} (at most 1.1)`);

  const thief = { ...ecKey('x'), kid: issuer.jwks().keys[0]?.kid ?? '' };
  const forged = async (sub: string) => {
    const seconds = Math.floor(Date.now() / 1000);
    const claims = { iss: ORIGIN, sub, tenant: 'acme', aud: MCP, iat: seconds, exp: seconds + 600, jti: randomUUID() };
    return arrived({ authorization: `Bearer ${await sign(thief, claims)}` });
  };
  const [known, unknown] = [[] as number[], [] as number[]];
  for (let at = 0; at < FORGED; at++) {
    const pair = [await forged('user-7'), await forged('nobody')] as const;
    const order = at % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    for (const one of order) {
      const took = await perCall(1, () => stage(pair[one]).catch(() => undefined));
      (one === 0 ? known : unknown).push(took);
    }
  }
  console.log(`refusal, forged for a known subject    ${mean(trimmed(known)).toFixed(1)} µs`);
  console.log(`refusal, forged for an unknown one     ${mean(trimmed(unknown)).toFixed(1)} µs`);
  console.log(
    `Welch's t of ${FORGED} of each              ${welch(trimmed(known), trimmed(unknown)).toFixed(2)} (within ±4.5)`,
  );
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}

async function perCall(times: number, call: (at: number) => Promise<unknown>): Promise<number> {
  const begin = process.hrtime.bigint();
  for (let at = 0; at < times; at++) await call(at);
  return Number(process.hrtime.bigint() - begin) / 1000 / times;
}

function best(values: readonly number[]): number {
  return Math.min(...values);
}

/** Without the slowest tenth: what the machine did meanwhile. */
function trimmed(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b).slice(0, Math.floor(values.length * 0.9));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function welch(a: readonly number[], b: readonly number[]): number {
  const variance = (values: readonly number[]): number => {
    const middle = mean(values);
    return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  };
  return (mean(a) - mean(b)) / Math.sqrt(variance(a) / a.length + variance(b) / b.length);
}

function arrived(headers: Readonly<Record<string, string>>): Arrived {
  return new Arrived({
    incident: 'bench',
    at: 0,
    remote: '127.0.0.1',
    server: undefined,
    transport: 'streamable',
    httpMethod: 'POST',
    query: '',
    headers,
    body: () => Promise.resolve(new Uint8Array()),
    signal: new AbortController().signal,
    events: noEvents,
  });
}
