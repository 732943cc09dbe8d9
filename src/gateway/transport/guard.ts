import type { EdgeSettings } from '../../contract/bundle.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Authenticated } from '../../contract/tool-call.ts';

type Headers = Readonly<Record<string, string | undefined>>;

/** Query parameters in which clients have been seen to put tokens (RFC 6750 §2.3 has the first). */
const TOKEN_PARAMETER = /(?:^|&)(?:access_token|id_token|token|bearer|authorization|api_?key)=/i;
/** A compact JWS anywhere (RFC 7515 §7.1): `eyJ` begins every JOSE header. */
const TOKEN_VALUE = /(?:^|[=&])eyJ[\w-]+\.[\w-]+\.[\w-]*/;

/**
 * The checks on an HTTP request's head, in order. They come after authentication: whoever has no good token learns
 * nothing from them.
 * @throws Refusal host, origin, token-in-query, http-method, media-type, not-acceptable
 */
export function guard(call: Authenticated, edge: EdgeSettings): void {
  const { headers, httpMethod, query } = call.arrived;
  checkHost(headers, edge);
  checkOrigin(headers, edge);
  checkQuery(query);
  const { transport } = call.arrived;
  if (httpMethod === 'POST') {
    checkMediaType(headers);
    if (transport === 'streamable') checkAccept(headers, ['application/json', 'text/event-stream']);
  } else if (httpMethod === 'GET') checkAccept(headers, ['text/event-stream']);
  else if (httpMethod !== 'DELETE' || transport === 'sse') throw new Refusal('http-method', httpMethod);
}

/** A name that is ours, with the port that is ours: what a rebound DNS name cannot send. @throws Refusal host */
export function checkHost(headers: Headers, edge: EdgeSettings): void {
  const host = headers.host?.toLowerCase();
  const port = /:(\d+)$/.exec(edge.origin)?.[1] ?? '443';
  const names = edge.serverNames.map((name) => name.toLowerCase());
  const ours = names.some((name) => host === `${name}:${port}` || (port === '443' && host === name));
  if (!ours) throw new Refusal('host', `Host: ${host}`);
}

function checkOrigin(headers: Headers, edge: EdgeSettings): void {
  const { origin } = headers;
  if (origin !== undefined && !edge.allowedOrigins.includes(origin)) throw new Refusal('origin', `Origin: ${origin}`);
}

/** RFC 9700 §4.3.2: a token in a URL ends in logs and histories; the value is kept out of ours. */
function checkQuery(query: string): void {
  let plain = query;
  try {
    plain = decodeURIComponent(query);
  } catch {
    // Not UTF-8: judged as it stands.
  }
  if (TOKEN_PARAMETER.test(plain) || TOKEN_VALUE.test(plain)) throw new Refusal('token-in-query', 'a token in the URL');
}

function checkMediaType(headers: Headers): void {
  const type = headers['content-type'] ?? '';
  if (!/^application\/json[\t ]*(?:;[\t ]*charset="?utf-8"?[\t ]*)?$/i.test(type)) {
    throw new Refusal('media-type', `Content-Type: ${type}`);
  }
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') throw new Refusal('media-type', `Content-Encoding: ${coding}`);
}

/** As most clients write it. */
const BOTH = 'application/json, text/event-stream';

/** A client must be able to read every form that an answer may have (MCP 2025-03-26 ff., Sending Messages to the Server). */
function checkAccept(headers: Headers, wanted: readonly string[]): void {
  const accept = headers.accept ?? '*/*';
  if (accept === BOTH) return;
  const ranges = accept
    .toLowerCase()
    .split(',')
    .filter((range) => !/;[\t ]*q=0(?:\.0{0,3})?[\t ]*$/.test(range))
    .map((range) => range.split(';', 1)[0]?.trim());
  const takes = (type: string) =>
    ranges.some((range) => range === type || range === `${type.split('/')[0]}/*` || range === '*/*');
  if (!wanted.every(takes)) throw new Refusal('not-acceptable', `Accept: ${accept}`);
}
