import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { auditCopyFile, readFault } from './audit-copy.ts';
import { Chain } from './chain.ts';

export interface ChainVerdict {
  readonly holds: boolean;
  readonly records: number;
  /** Sequence number of the last record that a signature covers; later ones are chained but not yet signed. */
  readonly sealed: number;
  /** Where and why the chain breaks. */
  readonly broken?: { readonly line: number; readonly why: string };
}

/** Verifies an audit log offline: needs nothing but the file and the Ed25519 public key (PEM). */
export async function verifyChain(file: string, publicKeyPem: string): Promise<ChainVerdict> {
  const chain = new Chain(publicKeyPem);
  const verdict = () => ({ records: chain.at.records, sealed: chain.sealed });
  for await (const line of lines(file)) {
    const why = chain.take(line);
    if (why !== undefined) return { holds: false, ...verdict(), broken: { line: chain.at.records + 1, why } };
  }
  const { records, sealed } = verdict();
  if (records > 0 && sealed === 0)
    return { holds: false, records, sealed, broken: { line: records, why: 'nothing in it is signed' } };
  return { holds: true, records, sealed };
}

/** The gateways of whose audit logs zone 0 has copies. */
export function copiedGateways(state: string): readonly string[] {
  const directory = join(state, 'audit');
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => existsSync(auditCopyFile(state, name))).sort();
}

/** As verifyChain; what the gateway has shown instead of the log that it had shown before breaks it too. */
export async function verifyCopy(state: string, gateway: string, publicKeyPem: string): Promise<ChainVerdict> {
  const file = auditCopyFile(state, gateway);
  const verdict = await verifyChain(file, publicKeyPem);
  const fault = readFault(join(dirname(file), 'fault.json'));
  if (!verdict.holds || fault === undefined) return verdict;
  const why = `${gateway} showed another log at ${fault.time}: ${fault.why}`;
  return { ...verdict, holds: false, broken: { line: verdict.records + 1, why } };
}

/** As verifyChain, of a log that has to begin with zone 0's copy of it: then nothing was cut off or written anew since. */
export async function verifyAgainst(
  copy: string,
  ...[file, publicKeyPem]: Parameters<typeof verifyChain>
): Promise<ChainVerdict> {
  const verdict = await verifyChain(file, publicKeyPem);
  const shown = lines(file);
  let line = 0;
  for await (const had of lines(copy)) {
    line++;
    const why = 'zone 0 has another record, or has one where there is none';
    if ((await shown.next()).value !== had) return { ...verdict, holds: false, broken: { line, why } };
  }
  return verdict;
}

/** Lines end at U+000A alone: `node:readline` would also cut at U+2028, which a record's text may hold. */
async function* lines(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8')) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}
