import type { GatewayBundle } from '../../contract/bundle.ts';

/** What a bundle makes of what has happened in sessions. */
export interface HistoryUse {
  /** Whether a policy may look at it at all, and at how often something was called. */
  readonly asked: boolean;
  readonly counted: boolean;
  /** Every label that there is: so much counts as read and written where nobody knows. */
  readonly labels: readonly string[];
  /** Whether calls may go on while the store that gateways share is away. */
  readonly away: boolean;
}

/** Those that policies may name whether a tool declares them or not. */
const LABELS = ['private', 'untrusted', 'external', 'suspected'];

/** In Rego: the whole question or context, of which any member may be meant. */
const ANY = /\b(?:input|context)\b(?!\.\w)/;

/** Policies are looked at as text: one that names the member has it read, whether it needs it or not. */
export function historyUse({
  policies,
  servers,
  limits,
}: Pick<GatewayBundle, 'policies' | 'servers' | 'limits'>): HistoryUse {
  const names = (word: string) => policies.some(({ text }) => text.includes(word));
  const declared = servers.flatMap(({ tools }) => Object.values(tools));
  const rego = policies.filter(({ file }) => !file.endsWith('.cedar'));
  const asked = names('session') || rego.some(({ text }) => ANY.test(text));
  return {
    asked,
    // A language in which members have names that are made up on the way has no such word.
    counted: asked && (names('calls') || rego.length > 0),
    labels: [...new Set([...LABELS, ...declared.flatMap(({ reads = [], writes = [] }) => [...reads, ...writes])])],
    away: limits.away !== undefined,
  };
}
