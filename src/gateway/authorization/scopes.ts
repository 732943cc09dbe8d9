import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';

/**
 * A token that is limited must be so to the server, or to this action of it. The answer names what it has and what it
 * would need (MCP 2025-11-25, Scope Challenge Handling), so that a new one has both.
 * @throws Refusal scope
 */
export function demandScope({ scopes }: Subject, server: string, action: string): void {
  if (scopes === undefined || scopes.includes(`mcp:${server}`) || scopes.includes(`mcp:${action}`)) return;
  const needed = [...scopes, `mcp:${action}`].filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)).join(' ');
  throw new Refusal('scope', `${action} is beyond ${scopes.join(' ')}`, undefined, needed);
}
