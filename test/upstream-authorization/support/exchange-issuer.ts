import type { RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import { UnsecuredJWT } from 'jose';
import { httpsServer } from '../../identity/support/foreign-issuer.ts';

/** A caller's token as it comes in; who verifies signatures stands elsewhere. */
export function callersToken(iss: string, sub: string, more: Record<string, unknown> = {}): string {
  return new UnsecuredJWT({ iss, sub, ...more }).encode().concat('c2ln');
}

export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** An issuer that exchanges tokens as RFC 8693 says, until a test has it do otherwise. */
export async function exchangeIssuer(t: TestContext) {
  const issuer = {
    url: '',
    ca: '',
    /** Laid over the metadata, and over an answer. */
    metadata: {} as Record<string, unknown>,
    answer: {} as Record<string, unknown>,
    /** Answers a path in place of the usual. */
    instead: {} as Record<string, RequestListener>,
    requests: [] as string[],
    /** What came to the token endpoint, with who asked. */
    asked: [] as (Record<string, string> & { readonly by: string })[],
  };
  let made = 0;
  const server = await httpsServer(t, async (request, response) => {
    const path = request.url ?? '';
    issuer.requests.push(path);
    let body = '';
    for await (const part of request) body += part;
    const instead = issuer.instead[path];
    if (instead !== undefined) return instead(request, response);
    const json = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/.well-known/oauth-authorization-server')
      return json(200, {
        issuer: issuer.url,
        token_endpoint: `${issuer.url}/token`,
        response_types_supported: [],
        ...issuer.metadata,
      });
    if (path !== '/token') return response.writeHead(404).end();
    const fields = Object.fromEntries(new URLSearchParams(body));
    const credentials = String(request.headers.authorization).replace('Basic ', '');
    issuer.asked.push({ ...fields, by: Buffer.from(credentials, 'base64').toString() });
    const given = { access_token: `exchanged-${++made}`, issued_token_type: ACCESS_TOKEN, token_type: 'Bearer' };
    return json(200, { ...given, expires_in: 300, ...issuer.answer });
  });
  issuer.url = `https://localhost:${server.port}`;
  issuer.ca = server.ca;
  return issuer;
}
