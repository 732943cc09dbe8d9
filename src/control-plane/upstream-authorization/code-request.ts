import {
  type AuthorizationServer,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  type DPoPHandle,
  generateRandomCodeVerifier,
  generateRandomState,
  processAuthorizationCodeResponse,
  validateAuthResponse,
} from 'oauth4webapi';
import { type Fetch, NotAuthorized } from './fetching.ts';
import { authenticationOf, type OwnClient } from './own-client.ts';
import { tokenFrom } from './token-endpoint.ts';

/** What a person is to authorize us for. */
export interface CodeWish {
  readonly metadata: AuthorizationServer;
  readonly client: OwnClient;
  readonly redirectUri: string;
  /** Named at both endpoints (RFC 8707). */
  readonly resource: string;
  readonly scope: readonly string[];
  /** The key that the token is to be bound to; undefined: none. */
  readonly dpop: DPoPHandle | undefined;
}

/** A request that is on its way, or an answer to it that is awaited. */
export interface CodeRequest extends CodeWish {
  /** Where the person's browser goes. */
  readonly url: string;
  readonly state: string;
  readonly verifier: string;
}

/** The endpoint of an issuer that gives codes, and checks PKCE. @throws NotAuthorized */
export function checkCodes(metadata: AuthorizationServer): URL {
  const { issuer, authorization_endpoint: endpoint, code_challenge_methods_supported: methods } = metadata;
  if (endpoint === undefined) throw new NotAuthorized(`${issuer} has no authorization endpoint`);
  if (!methods?.includes('S256'))
    throw new NotAuthorized(`${issuer} does not say that it checks PKCE with S256 (MCP 2025-11-25, Authorization)`);
  return new URL(endpoint);
}

/** An authorization request with PKCE (RFC 7636, S256), bound to our key where there is one (RFC 9449 §10). @throws NotAuthorized */
export async function codeRequest(wish: CodeWish): Promise<CodeRequest> {
  const { metadata, client, redirectUri, resource, scope, dpop } = wish;
  const url = checkCodes(metadata);
  const [verifier, state] = [generateRandomCodeVerifier(), generateRandomState()];
  const asked = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: redirectUri,
    state,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    resource,
    ...(scope.length > 0 && { scope: scope.join(' ') }),
    ...(dpop && { dpop_jkt: await dpop.calculateThumbprint() }),
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return { ...wish, url: url.href, state, verifier };
}

/**
 * The token for what a person came back with; whose answer it is, is checked first (`state`, RFC 9207).
 * @throws NotAuthorized
 */
export async function redeemed(request: CodeRequest, came: URLSearchParams, fetch: Fetch) {
  const { metadata, client, redirectUri, resource, dpop, state, verifier } = request;
  const auth = await authenticationOf(client, metadata);
  const own = { client_id: client.id };
  return tokenFrom(metadata, fetch, dpop, async (options) => {
    const code = validateAuthResponse(metadata, own, came, state);
    const more = { ...options, additionalParameters: { resource } };
    const answer = await authorizationCodeGrantRequest(metadata, own, auth, code, redirectUri, verifier, more);
    return processAuthorizationCodeResponse(metadata, own, answer);
  });
}
