import type { Answer } from '../../contract/answer.ts';
import type { EdgeSettings } from '../../contract/bundle.ts';
import { SIGNATURE_ALGORITHMS } from '../../contract/identity.ts';

const COMMON = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' } as const;

export const NOT_FOUND: Answer = problem(404, 'not found');
export const BAD_METHOD: Answer = { ...problem(405, 'method not allowed'), headers: { ...COMMON, allow: 'GET, HEAD' } };
export const BUSY: Answer = { ...problem(503, 'not available'), headers: { ...COMMON, 'retry-after': '1' } };

/** An answer outside of MCP; the text is constant. */
export function problem(status: number, error: string): Answer {
  return { status, headers: COMMON, body: JSON.stringify({ error }) };
}

/** Protected resource metadata (RFC 9728 §2). It is the same for servers that exist and servers that do not. */
export function resourceMetadata(
  { origin, scope }: EdgeSettings,
  server: string | undefined,
  issuers: readonly string[],
): Answer {
  const body = JSON.stringify({
    resource: server === undefined ? `${origin}/mcp` : `${origin}/mcp/${server}`,
    authorization_servers: issuers,
    ...(scope !== undefined && { scopes_supported: [scope] }),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: SIGNATURE_ALGORITHMS,
    resource_name: 'innerkeep',
  });
  return { status: 200, headers: { ...COMMON, 'cache-control': 'max-age=300' }, body };
}
