import { decodeJwt } from 'jose';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { WireLease, WireUse } from '../../contract/wire-secret.ts';
import type { LeaseAnswer, LeaseWish } from '../../contract/zone-link.ts';
import type { Exchange } from './exchange.ts';

/** Where credentials come from: zone 0, over the channel that it opened. */
export interface Lending {
  /** Whether a server's calls need any. */
  needed(server: string): boolean;
  /** Issuers of whose tokens zone 0 may have the caller's, to exchange it. */
  exchanged(server: string): readonly string[];
  /** Never rejects. */
  lend(wish: LeaseWish): Promise<LeaseAnswer>;
  giveBack(leases: readonly string[]): void;
  /** @throws Refusal `audit` when it cannot be written */
  record(call: Admitted, event: 'lease' | 'revoke', detail: string): Promise<void>;
}

/**
 * Runs one request with the credentials that its server declares for this caller: lent now, when everything else has
 * been decided, on record before anybody has them, and given back when it is over, however it ends.
 * @param anew the server has refused what it was shown before
 * @throws Refusal `credential` when one of them is missing: a call that needs it would only fail somewhere else;
 *   `upstream` when the issuer of one of them gives none
 */
export async function withCredentials<T>(
  lending: Lending,
  call: Admitted,
  exchange: Exchange,
  run: () => Promise<T>,
  anew = false,
): Promise<T> {
  const { server } = call.target;
  if (!lending.needed(server)) return run();
  const { tenant, id: subject } = call.subject;
  const wish = { server, tenant, subject, incident: call.arrived.incident, ...shown(call, lending.exchanged(server)) };
  const answer = await lending.lend(anew ? { ...wish, anew } : wish);
  if ('missing' in answer) throw new Refusal('credential', answer.missing);
  if ('failed' in answer) throw new Refusal('upstream', answer.failed);
  const { leases } = answer;
  const uses = new Map<string, number>();
  try {
    await lending.record(call, 'lease', leases.map(lentWords).join(', '));
    exchange.loan = { leases, used: (use) => void uses.set(wordsOf(use), (uses.get(wordsOf(use)) ?? 0) + 1) };
    return await run();
  } finally {
    exchange.loan = undefined;
    lending.giveBack(leases.map(({ id }) => id));
    const used = [...uses].map(([use, count]) => `${use}: ${count} times`);
    const refs = leases.map(({ ref }) => ref).join(', ');
    await lending.record(call, 'revoke', `${refs}; ${used.length === 0 ? 'not used' : `used for ${used.join(', ')}`}`);
  }
}

/** The caller's token, for zone 0's eyes, where it is of an issuer whose tokens are exchanged; it was verified before. */
function shown({ arrived }: Admitted, issuers: readonly string[]): { readonly presented?: string } {
  if (issuers.length === 0) return {};
  const [, presented] = /^\S+ +(\S+)$/.exec(arrived.headers.authorization ?? '') ?? [];
  if (presented === undefined) return {};
  return issuers.includes(issuerOf(presented)) ? { presented } : {};
}

function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}

function lentWords({ ref, version, until }: WireLease): string {
  return `${ref} version ${version} until ${new Date(until).toISOString()}`;
}

function wordsOf({ ref, host, path }: WireUse): string {
  return `${host}${path} with ${ref}`;
}
