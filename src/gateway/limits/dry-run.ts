import type { Caller } from '../../contract/caller.ts';
import type { DryRun } from '../../contract/limits.ts';
import { Refusal, type RefusalCode } from '../../contract/refusal.ts';
import { appendMembers, type Edit, findMember, readObject, splice } from '../../contract/splice.ts';
import type { Confirmed } from '../../contract/tool-call.ts';

/** Milliseconds for a dry run, the start of its sandbox included: the caller waits for it before his call begins. */
const PATIENCE = 10_000;

/** The call that tells what another one would cost. */
export interface Estimate {
  /** Raw JSON of its params, in the client's names. */
  readonly params: string;
  /** Nobody that could be asked or told anything. */
  readonly caller: Caller;
  /** What the call itself is refused as when this one does not tell a price. */
  failed(refusal: Refusal): Refusal;
}

/** What says nothing of the price, and everything of whether the caller may ask now. */
const OWN: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  ...(['audit', 'authorize', 'authorize-url', 'breaker', 'credential', 'overload', 'rate', 'stopped'] as const),
  'unavailable',
]);

/**
 * The dry run of a call: the same arguments, byte for byte, with what the configuration adds.
 * @param patience milliseconds
 */
export function estimateOf(
  { target, params, arrived }: Confirmed,
  dryRun: DryRun,
  { signal, session }: Caller,
  patience = PATIENCE,
): Estimate {
  const late = AbortSignal.timeout(patience);
  const tool = dryRun.tool ?? target.pin?.name ?? '';
  const name = arrived.server === undefined ? `${target.server}__${tool}` : tool;
  const member = findMember(readObject(params.raw).members, 'arguments');
  const args = member === undefined ? '{}' : params.raw.slice(member.start, member.end);
  return {
    params: `{"name":${JSON.stringify(name)},"arguments":${withMembers(args, dryRun.with ?? {})}}`,
    caller: {
      ...{ capabilities: {}, logLevel: undefined, ask: undefined, session },
      signal: AbortSignal.any([signal, late]),
      notify: () => {},
    },
    failed(refusal) {
      if (late.aborted && !signal.aborted)
        return new Refusal('budget', `the dry run of ${target.action} took longer than ${patience} ms`);
      if (OWN.has(refusal.code)) return refusal;
      return new Refusal('budget', `the dry run of ${target.action} told no price: ${refusal.message}`);
    },
  };
}

/** What a caller writes there himself must not make another call of it. */
function withMembers(args: string, more: NonNullable<DryRun['with']>): string {
  const object = readObject(args);
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [key, value] of Object.entries(more)) {
    const own = findMember(object.members, key);
    if (own === undefined) added.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
    else edits.push({ start: own.start, end: own.end, text: JSON.stringify(value) });
  }
  if (added.length > 0) edits.push(appendMembers(object, added.join(',')));
  return splice(args, edits);
}
