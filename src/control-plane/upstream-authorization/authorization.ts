import {
  type AuthorizationServer,
  clientCredentialsGrantRequest,
  DPoP,
  type DPoPHandle,
  processClientCredentialsResponse,
} from 'oauth4webapi';
import { oauthChallenge } from '../../contract/challenges.ts';
import type { Authorization } from '../../contract/upstream.ts';
import { checkCodes, codeRequest, redeemed } from './code-request.ts';
import { type Fetch, NotAuthorized } from './fetching.ts';
import { issuerMetadata } from './issuer.ts';
import { authenticationOf, type OwnClient } from './own-client.ts';
import { keyFor, type ProofKey, proof } from './proof.ts';
import { type ProtectedResource, protectedResource } from './protected-resource.ts';
import { clientAt, type Registering } from './registration.ts';
import { type Token, tokenFrom } from './token-endpoint.ts';

/** Times that one server may have us authorized anew. */
const MOST_GRANTS = 3;
/** Times that it may want another nonce. */
const MOST_NONCES = 8;
const MAX_SCOPE = 1024;

/** Where a person is sent with an authorization request, and comes back from. */
export interface Browser {
  readonly redirectUri: string;
  /** Resolves with the query of the one visit that has the request's own `state`. */
  visit(url: string, state: string): Promise<URLSearchParams>;
  close(): void;
}

export interface AuthorizationDeps extends Omit<Registering, 'redirectUri'> {
  /** URL of the MCP endpoint. */
  readonly server: string;
  readonly fetch: Fetch;
  /** Asked for when a person is needed for the first time. */
  readonly browser: () => Promise<Browser>;
}

/**
 * What one person, at his own terminal, is authorized for at one remote server (MCP 2025-11-25 and 2026-07-28,
 * Authorization). It is asked for when the server asks, is kept in memory, and ends with the command.
 */
export class PersonalAuthorization implements Authorization {
  readonly #deps: AuthorizationDeps;
  /** By issuer: what one knows us by is nothing that another may see. */
  readonly #clients = new Map<string, OwnClient>();
  #scope: readonly string[] = [];
  #token: Token | undefined;
  #proofKey: ProofKey | undefined;
  #nonce: { readonly value: string; used: boolean } | undefined;
  #browser: Promise<Browser> | undefined;
  #grants = 0;
  #nonces = 0;

  constructor(deps: AuthorizationDeps) {
    this.#deps = deps;
  }

  async headers(method: string): Promise<readonly string[]> {
    if (this.#token === undefined) return [];
    const { value, scheme } = this.#token;
    const shown = ['authorization', `${scheme} ${value}`];
    if (scheme === 'Bearer' || this.#proofKey === undefined) return shown;
    const nonce = this.#nonce?.value;
    if (this.#nonce !== undefined) this.#nonce.used = true;
    return [...shown, 'dpop', await proof(this.#proofKey, { method, url: this.#deps.server, token: value, nonce })];
  }

  nonce(value: string): void {
    if (value !== this.#nonce?.value && value.length <= MAX_SCOPE) this.#nonce = { value, used: false };
  }

  /**
   * What a server's refusal asks for is tried to be had.
   * @param challenge its `WWW-Authenticate`
   * @returns whether the request is worth another try
   * @throws NotAuthorized
   */
  async answer(status: number, challenge: string | undefined): Promise<boolean> {
    const asked = oauthChallenge(challenge);
    const error = asked?.params.get('error');
    if (status === 401 && error === 'use_dpop_nonce')
      return this.#nonce?.used === false && ++this.#nonces <= MOST_NONCES;
    const isStepUp = status === 403 && error === 'insufficient_scope';
    if (status !== 401 && !isStepUp) return false;
    const { server, fetch } = this.#deps;
    const found = await protectedResource(server, asked?.params.get('resource_metadata'), fetch);
    const wanted = scopes(asked?.params.get('scope') ?? (isStepUp ? undefined : found.scope));
    const scope = [...new Set([...this.#scope, ...wanted])];
    // What it had already and did not do will not do the next time.
    if (isStepUp && scope.length === this.#scope.length) return false;
    if (++this.#grants > MOST_GRANTS) throw new NotAuthorized(`${server} asks for authorization again and again`);
    this.#token = await this.#grant(found, scope);
    this.#scope = scope;
    return true;
  }

  async close(): Promise<void> {
    (await this.#browser?.catch(() => undefined))?.close();
  }

  async #grant({ resource, issuer }: ProtectedResource, scope: readonly string[]): Promise<Token> {
    const { fetch, preRegistered } = this.#deps;
    const metadata = await issuerMetadata(issuer, fetch);
    const dpop = await this.#dpopFor(metadata);
    const grants = metadata.grant_types_supported;
    const isMachine = grants !== undefined && !grants.includes('authorization_code');
    if (!isMachine) return this.#byPerson(metadata, resource, scope, dpop);
    if (!grants.includes('client_credentials') || preRegistered === undefined)
      throw new NotAuthorized(`${issuer} has no grant for us: it has ${grants.join(', ')}`);
    const client = await this.#client(metadata, '');
    const auth = await authenticationOf(client, metadata);
    const own = { client_id: client.id };
    const asked = { resource, ...(scope.length > 0 && { scope: scope.join(' ') }) };
    return tokenFrom(metadata, fetch, dpop, async (options) => {
      const answer = await clientCredentialsGrantRequest(metadata, own, auth, asked, options);
      return processClientCredentialsResponse(metadata, own, answer);
    });
  }

  async #byPerson(
    metadata: AuthorizationServer,
    resource: string,
    scope: readonly string[],
    dpop: DPoPHandle | undefined,
  ): Promise<Token> {
    // Before anybody is asked to open anything.
    checkCodes(metadata);
    this.#browser ??= this.#deps.browser();
    const browser = await this.#browser;
    const client = await this.#client(metadata, browser.redirectUri);
    const { redirectUri } = browser;
    const request = await codeRequest({ metadata, client, redirectUri, resource, scope, dpop });
    const came = await browser.visit(request.url, request.state);
    return redeemed(request, came, this.#deps.fetch);
  }

  async #client(metadata: AuthorizationServer, redirectUri: string): Promise<OwnClient> {
    const known = this.#clients.get(metadata.issuer);
    if (known !== undefined) return known;
    const client = await clientAt(metadata, { ...this.#deps, redirectUri }, this.#deps.fetch);
    this.#clients.set(metadata.issuer, client);
    return client;
  }

  async #dpopFor(metadata: AuthorizationServer): Promise<DPoPHandle | undefined> {
    this.#proofKey = await keyFor(metadata);
    return this.#proofKey && DPoP({}, this.#proofKey);
  }
}

/** RFC 6749 §3.3. @throws NotAuthorized */
function scopes(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return [];
  if (text.length > MAX_SCOPE || !/^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(text))
    throw new NotAuthorized('the server asks for a scope that is none (RFC 6749 §3.3)');
  return text.split(' ');
}
