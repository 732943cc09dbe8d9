import type { EdgeSettings } from '../../contract/bundle.ts';
import { SIGNATURE_ALGORITHMS } from '../../contract/identity.ts';
import type { Refusal } from '../../contract/refusal.ts';
import type { Arrived } from '../../contract/tool-call.ts';

/** What a caller that is known is told in the head of a refusal; nothing for most. */
export function challenge(refusal: Refusal, call: Arrived, edge: EdgeSettings): Readonly<Record<string, string>> {
  const { code, challenge: told = '' } = refusal;
  // RFC 9449 §9.
  if (code === 'dpop-nonce') return { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': told };
  if (code !== 'scope') return {};
  const scheme = /^dpop /i.test(call.headers.authorization ?? '') ? 'DPoP' : 'Bearer';
  const what = `error="insufficient_scope", scope="${told}"`;
  return { 'www-authenticate': `${scheme} ${what}, resource_metadata="${metadata(call, edge)}"` };
}

/** How a client gets a token, plain or bound to a key (RFC 9728 §5.1, RFC 6750 §3, RFC 9449 §7.1); the same for all. */
export function signIn(call: Arrived, edge: EdgeSettings): string {
  const where = `resource_metadata="${metadata(call, edge)}"`;
  const scope = edge.scope === undefined ? '' : `, scope="${edge.scope}"`;
  return `Bearer ${where}${scope}, DPoP algs="${SIGNATURE_ALGORITHMS.join(' ')}", ${where}${scope}`;
}

function metadata({ server }: Arrived, { origin }: EdgeSettings): string {
  const named = server !== undefined && /^[a-z][a-z0-9-]{0,31}$/.test(server) ? `/${server}` : '';
  return `${origin}/.well-known/oauth-protected-resource/mcp${named}`;
}
