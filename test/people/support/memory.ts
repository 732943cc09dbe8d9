import type { OAuthClientProvider } from '@modelcontextprotocol/client';
import { REDIRECT } from './house.ts';

type Tokens = Parameters<OAuthClientProvider['saveTokens']>[0];
type Discovered = Parameters<NonNullable<OAuthClientProvider['saveDiscoveryState']>>[0];

/** What a stock client keeps; at the beginning it knows its own id and nothing else. */
export class Memory implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = { redirect_uris: [REDIRECT], client_name: 'Stock Client' };
  authorization: URL | undefined;
  #discovered: Discovered | undefined;
  #tokens: Tokens | undefined;
  #verifier = '';
  clientInformation = () => ({ client_id: 'stock' });
  discoveryState = () => this.#discovered;
  saveDiscoveryState = (state: Discovered) => {
    this.#discovered = state;
  };
  tokens = () => this.#tokens;
  saveTokens = (tokens: Tokens) => {
    this.#tokens = tokens;
  };
  redirectToAuthorization = (url: URL) => {
    this.authorization = url;
  };
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier;
  };
  codeVerifier = () => this.#verifier;
}
