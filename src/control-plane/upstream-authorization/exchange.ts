import {
  type AuthorizationServer,
  type DPoPHandle,
  genericTokenEndpointRequest,
  processGenericTokenEndpointResponse,
} from 'oauth4webapi';
import { type Fetch, NotAuthorized } from './fetching.ts';
import { authenticationOf, type OwnClient } from './own-client.ts';
import { claimsOf } from './presented.ts';
import { tokenFrom } from './token-endpoint.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const GIVEN_TYPES: readonly unknown[] = [ACCESS_TOKEN, 'urn:ietf:params:oauth:token-type:jwt'];

/** What is exchanged for what, and who asks. */
export interface Exchange {
  readonly audience: string;
  /** Space separated; undefined: what the issuer thinks right. */
  readonly scope: string | undefined;
  readonly client: OwnClient;
  /** The caller's own token. */
  readonly presented: string;
}

/**
 * A token for one audience in the place of the caller's own (RFC 8693).
 * @param dpop the key that it is to be bound to; undefined: none
 * @returns the token, and seconds for which the issuer says that it counts
 * @throws NotAuthorized also when what is given is the caller's token again, or one for somebody else
 */
export async function exchanged(
  metadata: AuthorizationServer,
  { audience, scope, client, presented }: Exchange,
  fetch: Fetch,
  dpop: DPoPHandle | undefined,
) {
  const { issuer } = metadata;
  const auth = await authenticationOf(client, metadata);
  const own = { client_id: client.id };
  const asked = {
    subject_token: presented,
    subject_token_type: ACCESS_TOKEN,
    requested_token_type: ACCESS_TOKEN,
    audience,
    // MCP 2025-11-25, Resource Parameter Implementation.
    ...(URL.canParse(audience) && { resource: audience }),
    ...(scope !== undefined && { scope }),
  };
  const { value, expiresIn, response } = await tokenFrom(metadata, fetch, dpop, async (options) => {
    const answer = await genericTokenEndpointRequest(metadata, own, auth, GRANT, asked, options);
    return processGenericTokenEndpointResponse(metadata, own, answer);
  });
  if (!GIVEN_TYPES.includes(response.issued_token_type))
    throw new NotAuthorized(`${issuer} gave ${JSON.stringify(response.issued_token_type)}, no access token`);
  if (value === presented) throw new NotAuthorized(`${issuer} gave the caller's own token back`);
  checkAudience(issuer, value, audience);
  return { value, expiresIn };
}

/** A token that says for whom it is, is for that audience. @throws NotAuthorized */
export function checkAudience(issuer: string, token: string, audience: string): void {
  const aud = [claimsOf(token)?.aud ?? audience].flat();
  if (!aud.includes(audience)) throw new NotAuthorized(`${issuer} gave a token for ${aud.join(', ')}, not ${audience}`);
}
