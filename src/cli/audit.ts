import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditCopyFile } from '../control-plane/observability/audit-copy.ts';
import {
  type ChainVerdict,
  copiedGateways,
  verifyAgainst,
  verifyChain,
  verifyCopy,
} from '../control-plane/observability/verify.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly stateDir: string;
  readonly json: boolean;
  stdout(text: string): void;
}

/**
 * `audit verify [FILE] [--public-key FILE] [--gateway NAME]`: does the chain hold? Needs only the log and the public key. Of a
 * gateway: zone 0's copy; with FILE, whether that begins with it. In a fleet without either: every copy.
 * `audit tail [-n N] [--incident ID] [--gateway NAME]`: the last records, or those of one incident.
 */
export async function audit(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = options(
    argv,
    {
      'public-key': { type: 'string' },
      gateway: { type: 'string' },
      incident: { type: 'string' },
      n: { type: 'string', short: 'n', default: '20' },
    },
    2,
  );
  const { gateway } = values;
  const [verb, named] = positionals;
  if (verb !== 'verify' && verb !== 'tail') throw new UsageError('audit verify | tail');
  const own = join(io.stateDir, 'audit', 'audit.jsonl');
  const all = copiedGateways(io.stateDir);
  if (gateway !== undefined && !all.includes(gateway))
    throw new UsageError(
      `no copy of the audit log of a gateway ${JSON.stringify(gateway)}; there are: ${all.join(', ')}`,
    );
  const isOfFleet = named === undefined && gateway === undefined && !existsSync(own) && all.length > 0;
  if (isOfFleet) {
    if (verb === 'tail') throw new UsageError(`--gateway NAME: one of ${all.join(', ')}`);
    return verifyFleet(all, io);
  }
  const file = named ?? (gateway === undefined ? own : auditCopyFile(io.stateDir, gateway));
  if (!existsSync(file)) throw new UsageError(`no audit log at ${file}`);
  if (verb === 'tail') return tail(file, values.incident, Number(values.n), io);
  const key = publicKey(values['public-key'] ?? keyFile(io.stateDir, gateway));
  const verdict = await verdictOf(file, key, named, gateway, io);
  io.stdout(io.json ? `${JSON.stringify(verdict)}\n` : `${shown(verdict)}\n`);
  return verdict.holds ? 0 : 1;
}

function verdictOf(
  file: string,
  key: string,
  named: string | undefined,
  gateway: string | undefined,
  { stateDir }: Io,
): Promise<ChainVerdict> {
  if (gateway === undefined) return verifyChain(file, key);
  return named === undefined
    ? verifyCopy(stateDir, gateway, key)
    : verifyAgainst(auditCopyFile(stateDir, gateway), file, key);
}

async function verifyFleet(names: readonly string[], io: Io): Promise<number> {
  const gateways: Record<string, ChainVerdict> = {};
  for (const name of names) gateways[name] = await verifyCopy(io.stateDir, name, publicKey(keyFile(io.stateDir, name)));
  const holds = Object.values(gateways).every((verdict) => verdict.holds);
  if (io.json) io.stdout(`${JSON.stringify({ holds, gateways })}\n`);
  else for (const [name, verdict] of Object.entries(gateways)) io.stdout(`${name}: ${shown(verdict)}\n`);
  return holds ? 0 : 1;
}

function shown({ holds, records, sealed, broken }: ChainVerdict): string {
  return holds ? `holds: ${records} records, signed up to ${sealed}` : `broken at line ${broken?.line}: ${broken?.why}`;
}

function keyFile(state: string, gateway: string | undefined): string {
  return join(state, 'pki', gateway === undefined ? 'audit.pub.pem' : `audit-${gateway}.pub.pem`);
}

/** @throws UsageError */
function publicKey(file: string): string {
  if (!existsSync(file)) throw new UsageError(`no public key at ${file}: name it with --public-key FILE`);
  return readFileSync(file, 'utf8');
}

function tail(file: string, incident: string | undefined, count: number, io: Io): number {
  if (!Number.isSafeInteger(count) || count < 1) throw new UsageError('-n takes a whole number from 1');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const chosen = incident === undefined ? lines.slice(-count) : lines.filter((line) => line.includes(`"${incident}"`));
  // Records are shown byte by byte as they were hashed.
  io.stdout(io.json ? `{"records":[${chosen.join(',')}]}\n` : chosen.map((line) => `${line}\n`).join(''));
  return 0;
}
