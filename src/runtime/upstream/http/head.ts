import type { UpstreamFailure } from '../upstream.ts';
import { bad } from './failures.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** How the body of a successful response is to be read; a failure where it cannot be. */
export function bodyKind(headers: Headers): 'json' | 'events' | UpstreamFailure {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return bad(`content-encoding ${String(encoding)}`);
  const given = headers['content-type'];
  if (given === 'application/json') return 'json';
  const type = String(given).split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'text/event-stream') return 'events';
  return type === 'application/json' ? 'json' : bad(`content type ${String(given)}`);
}

/** The session that a server opens (visible ASCII, MCP 2025-11-25 transports); a failure where it is no such id. */
export function sessionId(headers: Headers): string | undefined | UpstreamFailure {
  const id = headers['mcp-session-id'];
  if (id === undefined) return undefined;
  return typeof id === 'string' && /^[\x21-\x7e]{1,1024}$/.test(id) ? id : bad('a bad session id');
}

/** What a refusal asks for (RFC 9110 §11.6.1); several fields are one list. */
export function challengeIn({ 'www-authenticate': challenge }: Headers): string | undefined {
  return Array.isArray(challenge) ? challenge.join(', ') : challenge;
}
