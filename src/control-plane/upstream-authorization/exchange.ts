import {
  type AuthorizationServer,
  genericTokenEndpointRequest,
  processGenericTokenEndpointResponse,
} from 'oauth4webapi';
import { type Fetch, NotAuthorized } from './fetching.ts';
import { issuerMetadata } from './issuer.ts';
import { authenticationOf, type OwnClient } from './own-client.ts';
import { claimsOf } from './presented.ts';
import { tokenFrom } from './token-endpoint.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const GIVEN_TYPES: readonly unknown[] = [ACCESS_TOKEN, 'urn:ietf:params:oauth:token-type:jwt'];
/** Milliseconds for which an issuer's metadata counts. */
const METADATA_LASTS = 10 * 60_000;

/** What is exchanged for what, and who asks. */
export interface Exchange {
  readonly issuer: string;
  readonly audience: string;
  /** Space separated; undefined: what the issuer thinks right. */
  readonly scope: string | undefined;
  readonly client: OwnClient;
  /** The caller's own token. */
  readonly presented: string;
}

/** An issuer that exchanges tokens (RFC 8693), as it says of itself. */
export class Exchanger {
  readonly #fetch: Fetch;
  readonly #now: () => number;
  #known: { readonly metadata: Promise<AuthorizationServer>; readonly until: number } | undefined;

  /** @param now milliseconds since the epoch */
  constructor(fetch: Fetch, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /**
   * A token for one audience in the place of the caller's own.
   * @returns the token, and seconds for which the issuer says that it counts
   * @throws NotAuthorized also when what is given is the caller's token again, or one for somebody else
   */
  async exchange({ issuer, audience, scope, client, presented }: Exchange) {
    const metadata = await this.#metadata(issuer);
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
    const { value, expiresIn, response } = await tokenFrom(metadata, this.#fetch, undefined, async (options) => {
      const answer = await genericTokenEndpointRequest(metadata, own, auth, GRANT, asked, options);
      return processGenericTokenEndpointResponse(metadata, own, answer);
    });
    if (!GIVEN_TYPES.includes(response.issued_token_type))
      throw new NotAuthorized(`${issuer} gave ${JSON.stringify(response.issued_token_type)}, no access token`);
    if (value === presented) throw new NotAuthorized(`${issuer} gave the caller's own token back`);
    const aud = [claimsOf(value)?.aud ?? audience].flat();
    if (!aud.includes(audience))
      throw new NotAuthorized(`${issuer} gave a token for ${aud.join(', ')}, not ${audience}`);
    return { value, expiresIn };
  }

  #metadata(issuer: string): Promise<AuthorizationServer> {
    if (this.#known === undefined || this.#now() >= this.#known.until) {
      const known = { metadata: issuerMetadata(issuer, this.#fetch), until: this.#now() + METADATA_LASTS };
      this.#known = known;
      known.metadata.catch(() => {
        if (this.#known === known) this.#known = undefined;
      });
    }
    return this.#known.metadata;
  }
}
