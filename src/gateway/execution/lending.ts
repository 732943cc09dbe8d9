import { decodeJwt, type JWTPayload } from 'jose';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { ProofWish, WireLease, WireUse } from '../../contract/wire-secret.ts';
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
  /** For one request with a bound token; undefined: it is not lent any more. Never rejects. */
  prove(wish: ProofWish): Promise<string | undefined>;
  /** @throws Refusal `audit` when it cannot be written */
  record(call: Admitted, event: 'lease' | 'revoke', detail: string): Promise<void>;
}

/** What a server did with what it was shown before. */
export type Before = Pick<LeaseWish, 'refused' | 'lacking'>;

/**
 * Runs one request with the credentials that its server declares for this caller: lent now, when everything else has
 * been decided, on record before anybody has them, and given back when it is over, however it ends.
 * @throws Refusal `credential` when one of them is missing: a call that needs it would only fail somewhere else;
 *   `upstream` when the issuer of one of them gives none; `authorize` when the person has to let us have it first
 */
export async function withCredentials<T>(
  lending: Lending,
  call: Admitted,
  exchange: Exchange,
  run: () => Promise<T>,
  before: Before = {},
): Promise<T> {
  const { server } = call.target;
  if (!lending.needed(server)) return run();
  const { tenant, id: subject, kind } = call.subject;
  const who = { server, tenant, subject, ...(kind === 'User' && { isPerson: true as const }) };
  const { incident } = call.arrived;
  const answer = await lending.lend({ ...who, incident, ...shown(call, lending.exchanged(server)), ...before });
  if ('missing' in answer) throw new Refusal('credential', answer.missing);
  if ('failed' in answer) throw new Refusal('upstream', answer.failed);
  if ('visit' in answer) {
    const { id, url } = answer.visit;
    throw new Refusal(exchange.leads ? 'authorize-url' : 'authorize', `waits to be authorized as ${id}`, { id, url });
  }
  const { leases } = answer;
  const uses = new Map<string, number>();
  try {
    await lending.record(call, 'lease', leases.map(lentWords).join(', '));
    exchange.loan = {
      leases,
      used: (use) => void uses.set(wordsOf(use), (uses.get(wordsOf(use)) ?? 0) + 1),
      prove: (wish) => lending.prove(wish),
    };
    return await run();
  } finally {
    exchange.loan = undefined;
    lending.giveBack(leases.map(({ id }) => id));
    const used = [...uses].map(([use, count]) => `${use}: ${count} times`);
    const refs = leases.map(({ ref }) => ref).join(', ');
    await lending.record(call, 'revoke', `${refs}; ${used.length === 0 ? 'not used' : `used for ${used.join(', ')}`}`);
  }
}

/**
 * What the caller's token says of the client; and the token itself, for zone 0's eyes, where it is of an issuer whose
 * tokens are exchanged. It was verified before.
 */
function shown({ arrived }: Admitted, issuers: readonly string[]): Pick<LeaseWish, 'client' | 'presented'> {
  const [, presented] = /^\S+ +(\S+)$/.exec(arrived.headers.authorization ?? '') ?? [];
  if (presented === undefined) return {};
  const { iss = '', client_id: client } = claimsOf(presented);
  const asking = typeof client === 'string' ? { client } : {};
  return issuers.includes(iss) ? { ...asking, presented } : asking;
}

function claimsOf(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

function lentWords({ ref, version, until }: WireLease): string {
  return `${ref} version ${version} until ${new Date(until).toISOString()}`;
}

function wordsOf({ ref, host, path }: WireUse): string {
  return `${host}${path} with ${ref}`;
}
