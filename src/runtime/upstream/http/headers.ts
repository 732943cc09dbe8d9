const BODY = ['content-type', 'application/json'];
const BASE = [
  'accept',
  'application/json, text/event-stream',
  'accept-encoding',
  'identity',
  'user-agent',
  'innerkeep',
];

/** The headers of each POST, names and values alternating; those of a session are made once. */
export function headersOf(version: string | undefined, sessionId: string | undefined): string[] {
  const headers = [...BODY, ...BASE];
  if (version !== undefined) headers.push('mcp-protocol-version', version);
  if (sessionId !== undefined) headers.push('mcp-session-id', sessionId);
  return headers;
}

/** The same for GET and DELETE. */
export function withoutBody(headers: string[]): string[] {
  return headers.slice(BODY.length);
}
