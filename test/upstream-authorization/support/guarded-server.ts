import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { decodeJwt } from 'jose';
import { type AuthorizationServer, allowInsecureRequests, customFetch, validateJwtAccessToken } from 'oauth4webapi';
import { Agent, fetch as undiciFetch } from 'undici';

/** What a request was let in by. */
export interface LetIn {
  readonly scheme: string;
  readonly sub: string;
  readonly token: string;
  readonly nonce: unknown;
}

/**
 * The official library's server behind another's check of tokens and proofs (RFC 9068, RFC 9449), for one issuer and
 * audience. `who` says whose token the call came with; `write` wants the scope `crm.write`.
 */
export async function guardedServer(t: TestContext, audience: string) {
  const guarded = {
    url: '',
    /** Undefined: everybody is let in. */
    issuer: undefined as { readonly url: string; readonly ca: string } | undefined,
    letIn: [] as LetIn[],
    refused: [] as string[],
    /** Taken in proofs; undefined: none is asked for. */
    nonce: undefined as string | undefined,
    /** Refuses every token, whatever it is. */
    refuses: false,
    jtis: new Set<unknown>(),
  };
  const http = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const message = JSON.parse(body || '{}');
    const no = (status: number, challenge: string, more = {}) => {
      guarded.refused.push(challenge);
      response.writeHead(status, { 'www-authenticate': challenge, ...more }).end();
    };
    let sub = 'anybody';
    if (guarded.issuer !== undefined) {
      if (guarded.refuses) return no(401, 'Bearer error="invalid_token"');
      const [scheme = '', token = ''] = (request.headers.authorization ?? '').split(' ');
      const proof = request.headers.dpop === undefined ? undefined : decodeJwt(String(request.headers.dpop));
      if (proof !== undefined && guarded.nonce !== undefined && proof.nonce !== guarded.nonce)
        return no(401, 'DPoP error="use_dpop_nonce"', { 'dpop-nonce': guarded.nonce });
      try {
        const headers = new Headers({ authorization: String(request.headers.authorization) });
        if (request.headers.dpop !== undefined) headers.set('dpop', String(request.headers.dpop));
        const asked = new Request(guarded.url, { method: request.method ?? '', headers });
        const claims = await validateJwtAccessToken(
          await metadata(guarded.issuer),
          asked,
          audience,
          fetching(guarded.issuer),
        );
        if (proof !== undefined && guarded.jtis.has(proof.jti)) throw new Error('a proof twice');
        guarded.jtis.add(proof?.jti);
        if (message.params?.name === 'write' && !String(claims.scope).split(' ').includes('crm.write'))
          return no(403, `${scheme} error="insufficient_scope", scope="crm.write"`);
        sub = claims.sub;
        guarded.letIn.push({ scheme, sub, token, nonce: proof?.nonce });
      } catch (error) {
        return no(
          401,
          `DPoP error="invalid_token", Bearer error="invalid_token", error_description="${String(error)}"`,
        );
      }
    }
    const transport = new StreamableHTTPServerTransport({});
    const server = new McpServer({ name: 'crm', version: '1' });
    server.registerTool('who', {}, () => ({ content: [{ type: 'text', text: sub }] }));
    server.registerTool('write', {}, () => ({ content: [{ type: 'text', text: `written by ${sub}` }] }));
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    return transport.handleRequest(request, response, body === '' ? undefined : message);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  guarded.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  return guarded;

  function fetching({ ca }: { readonly ca: string }) {
    const dispatcher = new Agent({ connect: { ca } });
    t.after(() => dispatcher.destroy());
    const get = (url: string) => undiciFetch(url, { dispatcher });
    return { [customFetch]: get as never, [allowInsecureRequests]: true };
  }

  async function metadata({ url }: { readonly url: string }): Promise<AuthorizationServer> {
    return { issuer: url, jwks_uri: `${url}/jwks` };
  }
}
