import type { AuthorizationServer } from 'oauth4webapi';
import { document, type Fetch, NotAuthorized } from './fetching.ts';

const LONGEST = 2048;

/**
 * An authorization server's metadata, from where RFC 8414 §3.1 and OpenID Connect Discovery §4 have it, in the order of
 * MCP 2025-11-25. It has to name the very issuer that was asked for, letter by letter (RFC 8414 §3.3): no other spelling.
 * @param issuer as the operator or the server's metadata writes it
 * @throws NotAuthorized
 */
export async function issuerMetadata(issuer: string, fetch: Fetch): Promise<AuthorizationServer> {
  if (issuer.length > LONGEST || !URL.canParse(issuer) || /[?#]/.test(issuer))
    throw new NotAuthorized(`${JSON.stringify(issuer.slice(0, LONGEST))} is no issuer (RFC 8414 §2)`);
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = new Set([
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]);
  for (const place of places) {
    const found = await document(place, fetch);
    if (found === undefined) continue;
    if (found.issuer !== issuer)
      throw new NotAuthorized(`${place} is the metadata of ${JSON.stringify(found.issuer)}, not of ${issuer}`);
    return checked(found, place);
  }
  throw new NotAuthorized(`${issuer} has no metadata (RFC 8414)`);
}

const URLS = ['authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'revocation_endpoint'] as const;
const LISTS = [
  'code_challenge_methods_supported',
  'dpop_signing_alg_values_supported',
  'grant_types_supported',
  'token_endpoint_auth_methods_supported',
] as const;

/** What we read of it has the types that it should have. */
function checked(found: Readonly<Record<string, unknown>>, place: string): AuthorizationServer {
  for (const name of URLS) {
    const url = found[name];
    // An endpoint is opened in a person's browser: nothing but the web.
    const isWeb = typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (url !== undefined && !isWeb) throw new NotAuthorized(`${place}: ${name} is no URL`);
  }
  for (const name of LISTS) {
    const list = found[name];
    const isList = Array.isArray(list) && list.every((item) => typeof item === 'string');
    if (list !== undefined && !isList) throw new NotAuthorized(`${place}: ${name} is no list`);
  }
  return found as unknown as AuthorizationServer;
}
