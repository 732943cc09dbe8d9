import { join } from 'node:path';
import { decodeJwt } from 'jose';
import inject from 'light-my-request';
import type { Provider } from 'oidc-provider';
import { isEmbeddedSubject, isPlainName } from '../../contract/identity.ts';
import type { CallToConfirm, Confirmation } from '../../contract/step-up.ts';
import type { IssuerAnswer, IssuerRequest } from '../../contract/zone-link.ts';
import { privateDirectory, stateDirectory } from '../pki/state-files.ts';
import { openArtifacts } from './artifacts.ts';
import { cookieOut, cookiesIn } from './cookies.ts';
import { problemPage } from './pages/page.ts';
import { Accounts, type Invitation, InvitationError, type Person } from './people/accounts.ts';
import { Ceremonies } from './people/ceremonies.ts';
import { openChallenges } from './people/challenges.ts';
import { type PeopleEvent, peoplePages, type Upstreams } from './people/people.ts';
import { type FetchPublic, type KnownClient, MAX_TTL, makeProvider, resourceServer } from './provider.ts';
import { openRevocations } from './revocations.ts';
import { openSigningKeys, type SigningKeys } from './signing-keys.ts';
import { Confirmations } from './step-up/confirmations.ts';
import { openStore } from './store.ts';

export interface Issuer {
  readonly issuerUrl: string;
  /** Serves one request for the public endpoints and pages (/oauth/…, /.well-known/oauth-authorization-server, openid-configuration). */
  handle(request: IssuerRequest): Promise<IssuerAnswer>;
  /** Whether a person has confirmed this call; if so, that is used up now. */
  confirm(call: CallToConfirm): Confirmation;
  /** Calls that wait for an operator's approval. */
  readonly approvals: Pick<Confirmations, 'all' | 'waiting' | 'confirm' | 'deny'>;
  /** A link that lets whoever opens it enrol one passkey for the subject, once. @throws IssuerError */
  invite(invitation: Invitation, ttlSeconds: number): string;
  people(): readonly Person[];
  /** The account ends, with its passkeys, sessions, grants and tokens. @throws IssuerError when there is none */
  remove(subject: string): void;
  /** A JWT access token (RFC 9068). @throws IssuerError when the wish is not sane; the message may be shown */
  mint(wish: TokenWish): Promise<string>;
  /** Puts a token, or the `jti` of one, on the list; on disk when it returns. @throws IssuerError */
  revoke(tokenOrJti: string): { readonly jti: string };
  /** Ids for the bundle's `revoked`. */
  revoked(): readonly string[];
  /** What is kept is on disk already. */
  close(): void;
  /** Public keys for the bundle (RFC 7517). */
  jwks(): { readonly keys: readonly Readonly<Record<string, string>>[] };
}

export interface TokenWish {
  readonly subject: string;
  readonly tenant: string;
  readonly groups?: readonly string[];
  readonly audience: string;
  /** At most 86,400. */
  readonly ttlSeconds: number;
  /** SHA-256 thumbprint of the key that the token is bound to (RFC 9449 §6.1, RFC 7638). */
  readonly dpopJkt?: string;
  /** What it is limited to: `mcp:SERVER`, `mcp:SERVER/TOOL` or `mcp:SERVER#METHOD`; absent: nothing but policy. */
  readonly scopes?: readonly string[];
  /** Marks a sign-in now; `auth_time` goes with it. */
  readonly acr?: 'mfa';
}

/** The wish was refused; the message is for whoever asked. */
export class IssuerError extends Error {}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);
/** What of the provider is served; it has more paths of its own than we have uses for. */
const ENDPOINT =
  /^\/(?:oauth\/(?:authorize(?:\/[\w-]{20,64})?|token|jwks|revoke)|\.well-known\/(?:openid-configuration|oauth-authorization-server))$/;

/** RFC 6749 §3.3, in our own words. */
const SCOPE = /^mcp:[a-z][a-z0-9-]{0,31}(?:[/#][\x21\x23-\x5b\x5d-\x7e]{1,256})?$/;

/** How long an id stays on the list beyond the longest life of a token of ours, seconds; covers the verifiers' skew. */
const REVOCATION_MARGIN = 60;

export interface IssuerOptions {
  readonly stateDir: string;
  /** `https://HOST:PORT`, what `iss` says; its host is where passkeys work (WebAuthn L3 §5.1.2, RP ID). */
  readonly issuerUrl: string;
  /** The audiences that tokens may have; the first is the default. */
  readonly resources: readonly string[];
  readonly clients?: readonly KnownClient[];
  /** Whose subjects come instead of ours; nobody signs in here then, but calls are confirmed here. */
  readonly externalIssuers?: readonly string[];
  /** For clients whose id is the URL of their metadata; absent: there are none such. */
  readonly fetchPublic?: FetchPublic;
  /** Whether DPoP proofs must carry a nonce of ours; they must, if absent. */
  readonly proofNonces?: boolean;
  /** Absent: nobody authorizes us for anything. */
  readonly upstreams?: Upstreams;
  /** A person has confirmed the call that was given this id. */
  readonly visited?: (id: string) => void;
  readonly now: () => number;
  readonly report?: (event: PeopleEvent) => void;
  /** Tokens have been revoked by what happened at an endpoint. */
  readonly revokedMore?: () => void;
}

/**
 * Opens the embedded OAuth 2.1 issuer in `stateDir/issuer`; it has no listener.
 * @throws StateError
 */
export function openIssuer(options: IssuerOptions): Issuer {
  const { issuerUrl, resources, clients = [], fetchPublic = noDocuments, now, report = () => {} } = options;
  const directory = privateDirectory(join(stateDirectory(options.stateDir), 'issuer'));
  const keys = openSigningKeys(directory);
  const revocations = openRevocations(directory, now);
  const store = openStore(directory);
  const artifacts = openArtifacts(store, now, (tokens) => {
    for (const { jti, until } of tokens) revocations.add(jti, until + REVOCATION_MARGIN);
    options.revokedMore?.();
  });
  const accounts = new Accounts(store, now, options.externalIssuers ?? []);
  const { proofNonces = true } = options;
  const provider = makeProvider({ issuerUrl, resources, clients, keys, artifacts, accounts, fetchPublic, proofNonces });
  const challenges = openChallenges(now);
  const ceremonies = new Ceremonies({ accounts, challenges, origin: issuerUrl });
  const confirmations = new Confirmations(issuerUrl, now);
  const approvals = new Confirmations(issuerUrl, now);
  const people = {
    accounts,
    ceremonies,
    challenges,
    confirmations,
    upstreams: options.upstreams ?? NO_UPSTREAMS,
    visited: options.visited ?? (() => {}),
    origin: issuerUrl,
    now,
    report,
    artifacts,
  };
  const dispatch = provider.callback();
  const { host, protocol } = new URL(issuerUrl);
  const published = publicKeys(keys);
  const seconds = () => Math.floor(now() / 1000);

  return {
    issuerUrl,
    async handle(request) {
      if (!METHODS.has(request.method)) return { status: 405, headers: { allow: [...METHODS].join(', ') }, body: '' };
      const [path = '', query = ''] = request.url.split(/\?(.*)/s);
      const page = await peoplePages(people, provider, { ...request, url: path }, query);
      if (page !== undefined) return page;
      if (!ENDPOINT.test(path)) return { status: 404, headers: {}, body: '' };
      const asked = path === '/oauth/authorize' ? new URLSearchParams(query) : undefined;
      // No page of ours posts to somebody else, and no fragment carries what is ours.
      if (asked?.getAll('response_mode').some((mode) => mode !== 'query'))
        return problemPage('That request cannot be served', 'Only response_mode=query is.');
      const cookie = cookiesIn(request.headers.cookie, path);
      const response = await inject(dispatch, {
        method: request.method,
        url: asked === undefined ? request.url : `${path}?${withScope(asked)}`,
        headers: {
          ...forwardable(request.headers),
          ...(cookie === undefined ? {} : { cookie }),
          host,
          'x-forwarded-proto': protocol.slice(0, -1),
        },
        ...(request.body.length > 0 ? { payload: request.body } : {}),
      });
      return { status: response.statusCode, headers: plainHeaders(response.headers), body: response.payload };
    },
    mint: (wish) => mint(provider, resources, wish, seconds()),
    revoke(tokenOrJti) {
      const { jti, exp } = identify(tokenOrJti);
      revocations.add(jti, Math.max(exp, seconds() + MAX_TTL) + REVOCATION_MARGIN);
      return { jti };
    },
    revoked: () => revocations.current(),
    confirm: (call) => (call.approver === undefined ? confirmations : approvals).ask(call),
    approvals,
    invite(invitation, ttlSeconds) {
      const secret = sanely(() => accounts.invite(invitation, ttlSeconds));
      report({ event: 'invited', subject: invitation.subject, tenant: invitation.tenant });
      return `${issuerUrl}/oauth/enrol/${secret}`;
    },
    people: () => accounts.list(),
    remove(subject) {
      if (!accounts.remove(subject)) throw new IssuerError(`nobody is enrolled as ${JSON.stringify(subject)}`);
      artifacts.forget(subject);
      people.upstreams.withdraw(subject, undefined);
      report({ event: 'removed', subject });
    },
    close() {
      if (store.isOpen) store.close();
    },
    jwks: () => published,
  };
}

const NO_UPSTREAMS: Upstreams = {
  waiting: () => undefined,
  refuse: () => {},
  agree: () => Promise.reject(new Error('nobody is sent anywhere')),
  back: async () => undefined,
  withdraw: () => [],
  list: () => [],
};

async function noDocuments(): Promise<never> {
  throw new Error('no client is known by its metadata document');
}

function sanely<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof InvitationError ? new IssuerError(error.message) : error;
  }
}

/** OAuth 2.1 §1.4.1: a client that asks for less than the one scope that tools need gets that, and the person sees it. */
function withScope(params: URLSearchParams): string {
  const scopes = params.getAll('scope');
  const asked = (scopes[0] ?? '').split(' ').filter((scope) => scope !== '');
  // Twice is the provider's to refuse.
  if (scopes.length <= 1 && !asked.includes('mcp')) params.set('scope', ['mcp', ...asked].join(' '));
  return params.toString();
}

async function mint(provider: Provider, resources: readonly string[], wish: TokenWish, now: number): Promise<string> {
  check(wish, resources);
  const token = new provider.AccessToken({
    client: tokenClient(provider),
    resourceServer: new provider.ResourceServer(wish.audience, resourceServer(resources, wish.audience)),
    accountId: wish.subject,
    // No grant stands behind a token that the operator minted.
    grantId: '',
    gty: 'innerkeep:mint',
    iat: now,
    exp: now + wish.ttlSeconds,
    jkt: wish.dpopJkt,
    ...(wish.scopes === undefined ? {} : { scope: wish.scopes.join(' ') }),
    extra: {
      tenant: wish.tenant,
      groups: wish.groups ?? [],
      ...(wish.acr === undefined ? {} : { acr: wish.acr, auth_time: now }),
    },
  });
  return token.save();
}

function check(wish: TokenWish, resources: readonly string[]): void {
  const demand = (held: boolean, message: string) => {
    if (!held) throw new IssuerError(message);
  };
  demand(isEmbeddedSubject(wish.subject), 'subject: 1 to 256 visible characters, without "#"');
  demand(isPlainName(wish.tenant), 'tenant: 1 to 256 visible characters');
  const groups = wish.groups ?? [];
  demand(groups.length <= 64 && groups.every(isPlainName), 'group: at most 64, each of 1 to 256 visible characters');
  demand(resources.includes(wish.audience), `audience: one of ${resources.join(', ')}`);
  const { ttlSeconds: ttl } = wish;
  demand(Number.isInteger(ttl) && ttl >= 1 && ttl <= MAX_TTL, `ttl: 1 second to ${MAX_TTL / 3600} hours`);
  const { scopes = [] } = wish;
  const areOurs = scopes.every((scope) => SCOPE.test(scope)) && scopes.length <= 64;
  demand(areOurs, 'scope: mcp:SERVER, mcp:SERVER/TOOL or mcp:SERVER#METHOD; at most 64');
  demand(wish.scopes === undefined || scopes.length > 0, 'scope: none would limit it to nothing');
  demand(wish.dpopJkt === undefined || /^[\w-]{43}$/.test(wish.dpopJkt), 'dpop: not a SHA-256 thumbprint (RFC 7638)');
}

/** What minted tokens name as `client_id`. No endpoint finds it: it is not registered. */
function tokenClient(provider: Provider): InstanceType<Provider['Client']> {
  return Reflect.construct(provider.Client, [
    {
      client_id: 'innerkeep',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      token_endpoint_auth_method: 'none',
    },
  ]);
}

/** The operator asks, so the signature does not matter: at worst an id is refused that nobody has. */
function identify(tokenOrJti: string): { jti: string; exp: number } {
  if (/^[\w-]{16,256}$/.test(tokenOrJti)) return { jti: tokenOrJti, exp: 0 };
  try {
    const { jti, exp } = decodeJwt(tokenOrJti);
    if (isPlainName(jti)) return { jti, exp: Number.isSafeInteger(exp) ? Number(exp) : 0 };
  } catch {
    throw new IssuerError('token: neither a JWT nor the jti of one');
  }
  throw new IssuerError('token: has no jti (RFC 7519 §4.1.7), so it cannot be named');
}

function publicKeys(keys: SigningKeys): ReturnType<Issuer['jwks']> {
  return { keys: keys.keys.map(({ kty, crv, x, y, alg, use, kid }) => ({ kty, crv, x, y, alg, use, kid })) };
}

/** What a client sent about hops and framing is not the provider's to read. */
function forwardable(headers: IssuerRequest['headers']): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (
      value !== undefined &&
      !/^(forwarded|x-forwarded-.*|host|connection|content-length|transfer-encoding|cookie)$/.test(name)
    ) {
      kept[name] = value;
    }
  }
  return kept;
}

function plainHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string | string[]> {
  const plain: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    // The edge frames its own answer.
    if (value === undefined || name === 'connection' || name === 'content-length' || name === 'date') continue;
    plain[name] = name === 'set-cookie' ? [value].flat().map((line) => cookieOut(String(line))) : String(value);
  }
  return plain;
}
