import { randomBytes } from 'node:crypto';
import { type Adapter, type Configuration, errors, Provider, type ResourceServer } from 'oidc-provider';
import type { SigningKeys } from './signing-keys.ts';

/** Seconds. */
export const MAX_TTL = 24 * 60 * 60;

/** No flow that keeps a grant, session or code is enabled, so nothing is found and nothing may be stored. */
class NothingStored implements Adapter {
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
  async upsert(): Promise<void> {
    throw new errors.TemporarilyUnavailable('nothing is stored');
  }
}

/** JWT access tokens for one audience (RFC 9068, RFC 8707). @throws InvalidTarget for any other resource */
export function resourceServer(resources: readonly string[], resource: string): ResourceServer {
  if (!resources.includes(resource)) throw new errors.InvalidTarget();
  return { scope: '', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
}

/** The provider with its endpoints under /oauth, no registered client and no page of its own. */
export function makeProvider(issuerUrl: string, resources: readonly string[], keys: SigningKeys): Provider {
  const configuration: Configuration = {
    adapter: NothingStored,
    jwks: keys,
    clients: [],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256', 'EdDSA'] },
    clientAuthMethods: ['none', 'private_key_jwt'],
    responseTypes: ['code'],
    scopes: ['openid', 'offline_access'],
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    ttl: { AccessToken: 600 },
    routes: { authorization: '/oauth/authorize', token: '/oauth/token', jwks: '/oauth/jwks' },
    extraTokenClaims: (_context, token) => ('extra' in token ? token.extra : undefined),
    findAccount: async () => undefined,
    renderError: (context, out) => {
      context.type = 'json';
      context.body = JSON.stringify({ error: out.error, error_description: out.error_description });
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => resourceServer(resources, resource),
      },
    },
  };
  const provider = new Provider(issuerUrl, configuration);
  // The edge ends TLS; `handle` alone decides what the forwarded headers say.
  provider.proxy = true;
  return provider;
}
