import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyChain } from '../control-plane/observability/verify.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly stateDir: string;
  readonly json: boolean;
  stdout(text: string): void;
}

/**
 * `audit verify [FILE] [--public-key FILE]`: does the chain hold? Needs only the log and the public key.
 * `audit tail [-n N] [--incident ID]`: the last records, or those of one incident.
 */
export async function audit(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = options(
    argv,
    {
      'public-key': { type: 'string' },
      incident: { type: 'string' },
      n: { type: 'string', short: 'n', default: '20' },
    },
    2,
  );
  const [verb, file = join(io.stateDir, 'audit', 'audit.jsonl')] = positionals;
  if (!existsSync(file)) throw new UsageError(`no audit log at ${file}`);
  if (verb === 'tail') return tail(file, values.incident, Number(values.n), io);
  if (verb !== 'verify') throw new UsageError('audit verify | tail');
  const keyFile = values['public-key'] ?? join(io.stateDir, 'pki', 'audit.pub.pem');
  if (!existsSync(keyFile)) throw new UsageError(`no public key at ${keyFile}: name it with --public-key FILE`);
  const verdict = await verifyChain(file, readFileSync(keyFile, 'utf8'));
  if (io.json) io.stdout(`${JSON.stringify(verdict)}\n`);
  else if (verdict.holds) io.stdout(`holds: ${verdict.records} records, signed up to ${verdict.sealed}\n`);
  else io.stdout(`broken at line ${verdict.broken?.line}: ${verdict.broken?.why}\n`);
  return verdict.holds ? 0 : 1;
}

function tail(file: string, incident: string | undefined, count: number, io: Io): number {
  if (!Number.isSafeInteger(count) || count < 1) throw new UsageError('-n takes a whole number from 1');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const chosen = incident === undefined ? lines.slice(-count) : lines.filter((line) => line.includes(`"${incident}"`));
  // Records are shown byte by byte as they were hashed.
  io.stdout(io.json ? `{"records":[${chosen.join(',')}]}\n` : chosen.map((line) => `${line}\n`).join(''));
  return 0;
}
