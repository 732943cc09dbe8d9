import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { Provider } from 'oidc-provider';
import { Agent, fetch as undiciFetch } from 'undici';
import { ecKey, httpsServer } from '../../identity/support/foreign-issuer.ts';

export const CLIENT = { client_id: 'gateway', client_secret: 'of-the-gateway-and-of-nobody-else' };

/** A stock authorization server with codes, PKCE, rotated refresh tokens, and DPoP with its own nonces. */
export async function codeIssuer(t: TestContext, redirectUri: string, { dpop = true } = {}) {
  const issuer = {
    url: '',
    ca: '',
    /** Who sits at the browser, and what the issuer gives a token for. */
    person: 'nobody',
    life: 300,
    /** What it was asked for, by path. */
    requests: [] as string[],
    walk,
    /** Whatever people have agreed to is over. */
    endGrants,
  };
  const grants: string[] = [];
  let serve: ReturnType<Provider['callback']> = () => Promise.resolve();
  const server = await httpsServer(t, (request, response) => {
    issuer.requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    if (request.url?.startsWith('/interaction/')) void agreed(request, response);
    else void serve(request, response);
  });
  issuer.url = `https://localhost:${server.port}`;
  issuer.ca = server.ca;
  const key = ecKey('k');
  const provider = new Provider(issuer.url, {
    jwks: { keys: [{ ...key.privateKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' }] as never },
    clients: [
      { ...CLIENT, redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] },
      { ...CLIENT, client_id: 'other', redirect_uris: [redirectUri] },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: () => issuer.life, Grant: 3600, Session: 3600, Interaction: 600 },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      dPoP: { enabled: dpop, nonceSecret: randomBytes(32), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, audience) => ({
          scope: 'crm.read crm.write',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  provider.proxy = true;
  serve = provider.callback();
  const dispatcher = new Agent({ connect: { ca: server.ca } });
  t.after(() => dispatcher.destroy());
  return issuer;

  /** The person at the browser signs in, and agrees to all that is asked for. */
  async function agreed(...[request, response]: Parameters<Provider['interactionDetails']>) {
    const { params } = await provider.interactionDetails(request, response);
    const grant = new provider.Grant({ accountId: issuer.person, clientId: String(params.client_id) });
    grant.addResourceScope(String(params.resource), String(params.scope ?? ''));
    const grantId = await grant.save();
    grants.push(grantId);
    const result = { login: { accountId: issuer.person }, consent: { grantId } };
    await provider.interactionFinished(request, response, result);
  }

  async function endGrants(): Promise<void> {
    for (const id of grants.splice(0)) await (await provider.Grant.find(id))?.destroy();
  }

  /** A browser's way through the issuer. @returns where it is sent in the end */
  async function walk(from: string): Promise<string> {
    const cookies = new Map<string, string>();
    let url = from;
    for (let hops = 0; hops < 12; hops++) {
      if (new URL(url).origin !== issuer.url) return url;
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await undiciFetch(url, { dispatcher, redirect: 'manual', headers: { cookie } });
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        cookies.set(name, value);
      }
      const location = answer.headers.get('location');
      if (location === null) throw new Error(`${answer.status} at ${url}: ${await answer.text()}`);
      url = new URL(location, url).href;
    }
    throw new Error(`${url}: it goes on for ever`);
  }
}
