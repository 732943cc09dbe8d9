import { randomBytes } from 'node:crypto';
import { type Configuration, errors, Provider, type ResourceServer } from 'oidc-provider';
import { isEmbeddedSubject } from '../../contract/identity.ts';
import type { Artifacts } from './artifacts.ts';
import { COOKIE_NAMES } from './cookies.ts';
import { problemPage } from './pages/page.ts';
import type { Accounts } from './people/accounts.ts';
import type { SigningKeys } from './signing-keys.ts';

/** Seconds. */
export const MAX_TTL = 24 * 60 * 60;
const DAY = 24 * 60 * 60;
/** Documents of clients that are fetched at a time. */
const MAX_FETCHING = 4;

/** Fetches what a client names: its metadata document, its keys. */
export type FetchPublic = (url: string) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/** A client that the operator knows (OAuth 2.1 §2.2); public, so it proves itself by PKCE. */
export interface KnownClient {
  readonly id: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
}

export interface ProviderDeps {
  readonly issuerUrl: string;
  readonly resources: readonly string[];
  readonly clients: readonly KnownClient[];
  readonly keys: SigningKeys;
  readonly artifacts: Artifacts;
  readonly accounts: Accounts;
  readonly fetchPublic: FetchPublic;
  /** Whether proofs at the token endpoint must carry a nonce of ours. */
  readonly proofNonces: boolean;
}

/** JWT access tokens for one audience (RFC 9068, RFC 8707). @throws InvalidTarget for any other resource */
export function resourceServer(resources: readonly string[], resource: string): ResourceServer {
  if (!resources.includes(resource)) throw new errors.InvalidTarget();
  return { scope: 'mcp', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
}

/** Whoever begins a sign-in has it fetch: a few slow hosts must not take all of the issuer's time. */
function bounded(fetchPublic: FetchPublic): NonNullable<Configuration['fetch']> {
  let fetching = 0;
  return async (url) => {
    if (fetching >= MAX_FETCHING) throw new Error('too much is being fetched');
    fetching++;
    try {
      const { status, body } = await fetchPublic(String(url));
      return new Response(new Uint8Array(body), { status });
    } finally {
      fetching--;
    }
  };
}

/** The provider with its endpoints under /oauth: codes with PKCE and consent, each time; rotated refresh tokens; DPoP. */
export function makeProvider(deps: ProviderDeps): Provider {
  const { issuerUrl, resources, clients, keys, artifacts, accounts, fetchPublic, proofNonces } = deps;
  const configuration: Configuration = {
    adapter: (model) => artifacts.adapter(model),
    jwks: keys,
    clients: clients.map(({ id, name, redirectUris }) => ({
      client_id: id,
      client_name: name,
      redirect_uris: [...redirectUris],
    })),
    clientDefaults: {
      // RFC 8252: loopback redirects may have any port, everything else is exact; consent is asked for each time.
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256', 'EdDSA'] },
    clientAuthMethods: ['none', 'private_key_jwt'],
    responseTypes: ['code'],
    scopes: ['openid', 'offline_access'],
    acrValues: ['phr'],
    allowOmittingSingleRegisteredRedirectUri: false,
    pkce: { required: () => true },
    cookies: {
      names: COOKIE_NAMES,
      keys: [],
      short: { sameSite: 'lax', httpOnly: true },
      long: { sameSite: 'lax', httpOnly: true },
    },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      Grant: 30 * DAY,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 14 * DAY,
      Session: 8 * 60 * 60,
    },
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      jwks: '/oauth/jwks',
      revocation: '/oauth/revoke',
    },
    interactions: { url: (_context, { uid }) => `/oauth/sign-in/${uid}` },
    findAccount: async (_context, subject) => {
      // `ISSUER#SUB` signs in elsewhere.
      if (!isEmbeddedSubject(subject) || accounts.find(subject) === undefined) return undefined;
      return { accountId: subject, claims: async () => ({ sub: subject }) };
    },
    // A consent is for one request; nothing is given because it was given before.
    loadExistingGrant: async ({ oidc }) => {
      const grantId = oidc.result?.consent?.grantId;
      return grantId === undefined ? undefined : oidc.provider.Grant.find(grantId);
    },
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    extraTokenClaims: (context, token) => {
      if (token.kind !== 'AccessToken') return undefined;
      if (token.extra !== undefined) return token.extra;
      const { AuthorizationCode, RefreshToken } = context.oidc.entities;
      const { acr, authTime } = AuthorizationCode ?? RefreshToken ?? {};
      const account = accounts.find(token.accountId);
      if (account === undefined) throw new errors.InvalidGrant('account not found');
      return { tenant: account.tenant, groups: account.groups, acr, auth_time: authTime };
    },
    renderError: (context, out) => {
      if (context.accepts('json', 'html') === 'html') {
        const { headers, body } = problemPage('That request cannot be served', out.error_description ?? out.error);
        for (const [name, value] of Object.entries(headers)) context.set(name, value);
        context.body = body;
        return;
      }
      context.type = 'json';
      context.body = JSON.stringify({ error: out.error, error_description: out.error_description });
    },
    // Browser clients redeem their codes from where these were sent.
    clientBasedCORS: (_context, origin, client) =>
      (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin && origin !== 'null'),
    fetch: bounded(fetchPublic),
    features: {
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02', cacheDuration: { min: 300, max: 300 } },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      // RFC 9449 §8: nobody makes proofs long before they are used.
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => proofNonces },
      // RFC 7009 §2.1: a client takes back what is its own.
      revocation: { enabled: true, allowedPolicy: (_context, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resources[0] ?? '',
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => resourceServer(resources, resource),
      },
    },
  };
  const provider = new Provider(issuerUrl, configuration);
  // The edge ends TLS; `handle` alone decides what the forwarded headers say.
  provider.proxy = true;
  provider.on('access_token.issued', ({ jti, grantId, expiration }) => {
    if (grantId) artifacts.issued(jti, grantId, expiration);
  });
  return provider;
}
