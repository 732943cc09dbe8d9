import { isObject, type JsonObject } from '../../contract/json.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { readKeySet, type VerificationKey } from './algorithms.ts';

/**
 * One GET by the hardened outbound client: bounded in size and time, redirects not followed. Rejects with a message
 * for the log.
 * @param options.trustedHost the one host name that the operator wrote himself
 * @param options.ca PEM of an extra authority
 */
export type FetchPublic = (
  url: string,
  options: { readonly trustedHost: string; readonly ca: string | undefined },
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/** The issuer's keys cannot be had; the message is for the log. */
class DiscoveryError extends Error {}

/**
 * The public keys of an issuer, found by its metadata (RFC 8414 §3, else OpenID Connect Discovery 1.0 §4).
 * @throws DiscoveryError when the metadata is not this issuer's own (RFC 8414 §3.3), or the key set cannot be read
 */
export async function discoverKeys(
  issuer: string,
  ca: string | undefined,
  fetchPublic: FetchPublic,
): Promise<readonly VerificationKey[]> {
  const trustedHost = new URL(issuer).hostname;
  const get = (url: string) => fetchPublic(url, { trustedHost, ca });
  const metadata = await readMetadata(issuer, get);
  if (metadata.issuer !== issuer) throw new DiscoveryError('metadata of another issuer (RFC 8414 §3.3)');
  if (typeof metadata.jwks_uri !== 'string') throw new DiscoveryError('metadata without jwks_uri');
  const answer = await get(metadata.jwks_uri);
  if (answer.status !== 200) throw new DiscoveryError(`key set: HTTP ${answer.status}`);
  const keys = readKeySet(parseStrict(answer.body, 16).value);
  if (keys.length === 0) throw new DiscoveryError('key set without a usable key');
  return keys;
}

async function readMetadata(issuer: string, get: (url: string) => ReturnType<FetchPublic>): Promise<JsonObject> {
  let status = 0;
  for (const url of metadataUrls(issuer)) {
    const answer = await get(url);
    status = answer.status;
    if (status !== 200) continue;
    const { value } = parseStrict(answer.body, 16);
    if (!isObject(value)) throw new DiscoveryError('metadata is not a JSON object');
    return value;
  }
  throw new DiscoveryError(`metadata: HTTP ${status}`);
}

/** RFC 8414 §3.1 inserts the well-known path before the issuer's own; OpenID Connect appends it. */
function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}
