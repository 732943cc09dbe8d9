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
  if (!lending.needed(call.target.server)) return run();
  const leases = await borrowed(lending, call, exchange.leads, before);
  const uses = new Uses();
  try {
    await lending.record(call, 'lease', leases.map(lentWords).join(', '));
    exchange.loan = { leases, used: (use) => uses.add(use), prove: (wish) => lending.prove(wish) };
    return await run();
  } finally {
    exchange.loan = undefined;
    lending.giveBack(leases.map(({ id }) => id));
    await lending.record(call, 'revoke', uses.wordsFor(leases));
  }
}

/**
 * What the server's calls need, for this caller.
 * @param leads whether the person can be led to an address
 * @throws Refusal as `withCredentials`
 */
export async function borrowed(
  lending: Lending,
  call: Admitted,
  leads: boolean,
  before: Before = {},
): Promise<readonly WireLease[]> {
  const { server } = call.target;
  const { tenant, id: subject, kind } = call.subject;
  const who = { server, tenant, subject, ...(kind === 'User' && { isPerson: true as const }) };
  const { incident } = call.arrived;
  const answer = await lending.lend({ ...who, incident, ...shown(call, lending.exchanged(server)), ...before });
  if ('missing' in answer) throw new Refusal('credential', answer.missing);
  if ('failed' in answer) throw new Refusal('upstream', answer.failed);
  if ('visit' in answer) {
    const { id, url } = answer.visit;
    throw new Refusal(leads ? 'authorize-url' : 'authorize', `waits to be authorized as ${id}`, { id, url });
  }
  return answer.leases;
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

export function lentWords({ ref, version, until }: WireLease): string {
  return `${ref} version ${version} until ${new Date(until).toISOString()}`;
}

/** What credentials were used for, in the log's words. */
export class Uses {
  readonly #counts = new Map<string, number>();

  add({ ref, host, path }: WireUse): void {
    const words = `${host}${path} with ${ref}`;
    this.#counts.set(words, (this.#counts.get(words) ?? 0) + 1);
  }

  wordsFor(leases: readonly WireLease[]): string {
    const used = [...this.#counts].map(([use, count]) => `${use}: ${count} times`);
    const refs = leases.map(({ ref }) => ref).join(', ');
    return `${refs}; ${used.length === 0 ? 'not used' : `used for ${used.join(', ')}`}`;
  }
}
