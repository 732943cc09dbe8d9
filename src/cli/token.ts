import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type { TokenRequest } from '../control-plane/admin-api/routes.ts';
import { AdminRefusal, connectAdmin, NotRunning } from './admin-client.ts';

const USAGE = `innerkeep token --subject S --tenant T [options]     a token of the embedded issuer, alone on stdout
innerkeep token --revoke TOKEN                        refuse a token (or the jti of one) from now on

  --group G          a group of the subject; may be repeated
  --audience URL     default: the MCP URL of the innerkeep up that runs with this state directory
  --ttl 10m          life: a number with s, m or h; at most 24h
  --dpop-jwk FILE    bind the token to this key (RFC 9449); a public key in JWK form
  --scope S          limit it to mcp:SERVER, mcp:SERVER/TOOL or mcp:SERVER#METHOD; may be repeated
  --acr mfa          mark a sign-in with a second factor; it never satisfies a step_up
  --json             one JSON document
`;

class Usage extends Error {}

interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly stateDir: string;
}

/** `innerkeep token`. Resolves to the exit code: 0 fine, 2 wrong usage, or no `up` that could be asked. */
export async function token(argv: string[], io: Io): Promise<number> {
  try {
    const wish = parse(argv);
    if (wish.help) io.stdout(USAGE);
    else if (wish.revoke !== undefined) await revoke(wish.revoke, wish.json, io);
    else await mint(await tokenRequest(wish), wish.json, io);
    return 0;
  } catch (error) {
    if (error instanceof NotRunning) return fail(io, error.message, error.exitCode);
    if (error instanceof Usage) return fail(io, `${error.message}\n\n${USAGE.trimEnd()}`, 2);
    if (error instanceof AdminRefusal) return fail(io, error.message, error.exitCode);
    throw error;
  }
}

async function mint(request: TokenRequest, json: boolean, io: Io): Promise<void> {
  const answer = await connectAdmin(io.stateDir).call('POST', '/admin/token', request);
  const minted = typeof answer === 'object' && answer !== null && 'token' in answer ? answer.token : undefined;
  if (typeof minted !== 'string') throw new AdminRefusal(0, 'the admin API answered without a token');
  io.stdout(`${json ? JSON.stringify({ token: minted }) : minted}\n`);
}

async function revoke(revoked: string, json: boolean, io: Io): Promise<void> {
  const answer = await connectAdmin(io.stateDir).call('POST', '/admin/revoke', { token: revoked });
  if (json) io.stdout(`${JSON.stringify(answer)}\n`);
  else io.stderr('revoked\n');
}

function parse(argv: string[]) {
  try {
    const { values } = parseArgs({
      args: argv,
      allowPositionals: false,
      options: {
        subject: { type: 'string' },
        tenant: { type: 'string' },
        group: { type: 'string', multiple: true, default: [] },
        audience: { type: 'string' },
        ttl: { type: 'string', default: '10m' },
        'dpop-jwk': { type: 'string' },
        acr: { type: 'string' },
        scope: { type: 'string', multiple: true },
        revoke: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : 'wrong usage');
  }
}

async function tokenRequest(wish: ReturnType<typeof parse>): Promise<TokenRequest> {
  const { subject, tenant, audience, acr, scope, 'dpop-jwk': jwkFile } = wish;
  if (subject === undefined) throw new Usage('--subject is missing');
  if (tenant === undefined) throw new Usage('--tenant is missing');
  if (acr !== undefined && acr !== 'mfa') throw new Usage('--acr: only mfa');
  return {
    subject,
    tenant,
    groups: wish.group,
    ttlSeconds: seconds(wish.ttl),
    ...(audience === undefined ? {} : { audience }),
    ...(acr === undefined ? {} : { acr }),
    ...(scope === undefined ? {} : { scopes: scope }),
    ...(jwkFile === undefined ? {} : { dpopJkt: await thumbprint(jwkFile) }),
  };
}

function seconds(ttl: string): number {
  const [, amount, unit] = /^(\d{1,6})([smh])$/.exec(ttl) ?? [];
  if (amount === undefined) throw new Usage('--ttl: a number with s, m or h, e.g. 10m');
  return Number(amount) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
}

/** RFC 7638: made of the public members alone. A symmetric key proves nothing here (RFC 9449 §4.2). */
async function thumbprint(file: string): Promise<string> {
  try {
    const jwk: JWK = JSON.parse(readFileSync(file, 'utf8'));
    if (jwk.kty === 'EC' || jwk.kty === 'OKP' || jwk.kty === 'RSA') return await calculateJwkThumbprint(jwk, 'sha256');
  } catch (error) {
    throw new Usage(`--dpop-jwk ${file}: ${error instanceof Error ? error.message : 'not readable'}`);
  }
  throw new Usage(`--dpop-jwk ${file}: not an asymmetric key in JWK form (RFC 7517)`);
}

function fail(io: Io, message: string, code: number): number {
  io.stderr(`innerkeep token: ${message}\n`);
  return code;
}
