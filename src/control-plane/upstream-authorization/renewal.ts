import type { JWK } from 'jose';
import {
  type AuthorizationServer,
  DPoP,
  processRefreshTokenResponse,
  processRevocationResponse,
  refreshTokenGrantRequest,
  revocationRequest,
} from 'oauth4webapi';
import { by, type Fetch } from './fetching.ts';
import type { GrantRules } from './grant-rules.ts';
import { authenticationOf, type OwnClient } from './own-client.ts';
import { keyOf } from './proof.ts';
import { tokenFrom } from './token-endpoint.ts';

/**
 * The next token for a refresh token (RFC 6749 §6), for the same resource and bound to the same key.
 * @param key what the first one was bound to; undefined: nothing
 * @throws NotAuthorized, with the code `invalid_grant` when there will be no other
 */
export async function refreshed(
  metadata: AuthorizationServer,
  client: OwnClient,
  refresh: string,
  key: JWK | undefined,
  { audience, fetch }: Pick<GrantRules, 'audience' | 'fetch'>,
) {
  const auth = await authenticationOf(client, metadata);
  const own = { client_id: client.id };
  const dpop = key && DPoP({}, await keyOf(key));
  return tokenFrom(metadata, fetch, dpop, async (options) => {
    const more = { ...options, additionalParameters: { resource: audience } };
    const answer = await refreshTokenGrantRequest(metadata, own, auth, refresh, more);
    return processRefreshTokenResponse(metadata, own, answer);
  });
}

/** Tells the issuer that a token is of no use any more (RFC 7009), where it can be told. */
export async function revoke(
  metadata: AuthorizationServer,
  client: OwnClient,
  token: string,
  fetch: Fetch,
): Promise<void> {
  if (metadata.revocation_endpoint === undefined) return;
  const auth = await authenticationOf(client, metadata);
  const answer = await revocationRequest(metadata, { client_id: client.id }, auth, token, by(fetch));
  await processRevocationResponse(answer);
}
