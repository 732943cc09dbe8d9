import type { AuthorizationServer } from 'oauth4webapi';
import { type Fetch, NotAuthorized } from './fetching.ts';
import type { OwnClient } from './own-client.ts';

/** A client that an issuer was told of beforehand; it counts there only. */
export interface KnownClient extends OwnClient {
  readonly issuer: string;
}

/** How we are known, in the order of MCP 2025-11-25, Client Registration Approaches. */
export interface Registering {
  readonly preRegistered: KnownClient | undefined;
  /** URL of a client id metadata document that is about us; undefined: there is none. */
  readonly document: string | undefined;
  readonly redirectUri: string;
}

/** Ways of a client that was just registered, the plainest first: it has nothing that could be stolen. */
const METHODS = ['none', 'client_secret_basic', 'client_secret_post'];

/** The client that we are at an issuer. @throws NotAuthorized */
export async function clientAt(
  issuer: AuthorizationServer,
  { preRegistered, document, redirectUri }: Registering,
  fetch: Fetch,
): Promise<OwnClient> {
  if (preRegistered !== undefined) {
    if (preRegistered.issuer === issuer.issuer) return preRegistered;
    throw new NotAuthorized(
      `the client ${preRegistered.id} is of ${preRegistered.issuer}, and not of ${issuer.issuer}`,
    );
  }
  if (document !== undefined && issuer.client_id_metadata_document_supported === true)
    return { id: document, method: 'none' };
  const { registration_endpoint: endpoint } = issuer;
  if (endpoint === undefined) throw new NotAuthorized(`${issuer.issuer} has to be told of us first: give --client`);
  const taken = issuer.token_endpoint_auth_methods_supported ?? METHODS;
  const method = METHODS.find((each) => taken.includes(each)) ?? 'none';
  const metadata = {
    client_name: 'innerkeep',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: method,
    // A program on the operator's machine, with a loopback redirect (RFC 8252).
    application_type: 'native',
  };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(metadata) });
  if (answer.status !== 201 && answer.status !== 200)
    throw new NotAuthorized(`${endpoint}: HTTP status ${answer.status} for our registration`);
  return registered(await answer.json().catch(() => undefined), method, endpoint);
}

function registered(answer: unknown, asked: string, endpoint: string): OwnClient {
  const { client_id: id, client_secret: secret, token_endpoint_auth_method: given = asked } = Object(answer);
  if (typeof id !== 'string' || id === '' || typeof given !== 'string')
    throw new NotAuthorized(`${endpoint} has not registered us (RFC 7591 §3.2.1)`);
  return { id, method: given, ...(given !== 'none' && typeof secret === 'string' && { secret }) };
}
