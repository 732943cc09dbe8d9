import { join } from 'node:path';
import { decodeJwt } from 'jose';
import inject from 'light-my-request';
import type { Provider } from 'oidc-provider';
import { isEmbeddedSubject, isPlainName } from '../../contract/identity.ts';
import { privateDirectory, stateDirectory } from '../pki/state-files.ts';
import { MAX_TTL, makeProvider, resourceServer } from './provider.ts';
import { openRevocations } from './revocations.ts';
import { openSigningKeys, type SigningKeys } from './signing-keys.ts';

export interface Issuer {
  readonly issuerUrl: string;
  /** Serves one request for the public endpoints (/oauth/…, /.well-known/oauth-authorization-server, openid-configuration). */
  handle(request: IssuerRequest): Promise<IssuerResponse>;
  /** A JWT access token (RFC 9068). @throws IssuerError when the wish is not sane; the message may be shown */
  mint(wish: TokenWish): Promise<string>;
  /** Puts a token, or the `jti` of one, on the list; on disk when it returns. @throws IssuerError */
  revoke(tokenOrJti: string): { readonly jti: string };
  /** Ids for the bundle's `revoked`. */
  revoked(): readonly string[];
  /** Public keys for the bundle (RFC 7517). */
  jwks(): { readonly keys: readonly Readonly<Record<string, string>>[] };
}

interface IssuerRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array | string;
}

interface IssuerResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
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
  /** Marks a sign-in now; `auth_time` goes with it. */
  readonly acr?: 'mfa';
}

/** The wish was refused; the message is for whoever asked. */
export class IssuerError extends Error {}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);
const NOTHING = Buffer.alloc(0);

/** How long an id stays on the list beyond the longest life of a token of ours, seconds; covers the verifiers' skew. */
const REVOCATION_MARGIN = 60;

/**
 * Opens the embedded OAuth 2.1 issuer in `stateDir/issuer`; it has no listener.
 * @param options.issuerUrl `https://HOST:PORT`, what `iss` says
 * @param options.resources the audiences that tokens may have
 * @throws StateError
 */
export function openIssuer(options: {
  readonly stateDir: string;
  readonly issuerUrl: string;
  readonly resources: readonly string[];
  readonly now: () => number;
}): Issuer {
  const { issuerUrl, resources, now } = options;
  const directory = privateDirectory(join(stateDirectory(options.stateDir), 'issuer'));
  const keys = openSigningKeys(directory);
  const revocations = openRevocations(directory, now);
  const provider = makeProvider(issuerUrl, resources, keys);
  const dispatch = provider.callback();
  const { host, protocol } = new URL(issuerUrl);
  const published = publicKeys(keys);
  const seconds = () => Math.floor(now() / 1000);

  return {
    issuerUrl,
    async handle(request) {
      if (!METHODS.has(request.method))
        return { status: 405, headers: { allow: [...METHODS].join(', ') }, body: NOTHING };
      // `//host/…` would be read as an authority.
      if (!/^\/(?!\/)/.test(request.url)) return { status: 404, headers: {}, body: NOTHING };
      const headers = forwardable(request.headers);
      const response = await inject(dispatch, {
        method: request.method,
        url: request.url,
        headers: { ...headers, host, 'x-forwarded-proto': protocol.slice(0, -1) },
        ...(request.body.length > 0 ? { payload: Buffer.from(request.body) } : {}),
      });
      return { status: response.statusCode, headers: plainHeaders(response.headers), body: response.rawPayload };
    },
    mint: (wish) => mint(provider, resources, wish, seconds()),
    revoke(tokenOrJti) {
      const { jti, exp } = identify(tokenOrJti);
      revocations.add(jti, Math.max(exp, seconds() + MAX_TTL) + REVOCATION_MARGIN);
      return { jti };
    },
    revoked: () => revocations.current(),
    jwks: () => published,
  };
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
      !/^(forwarded|x-forwarded-.*|host|connection|content-length|transfer-encoding)$/.test(name)
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
    plain[name] = Array.isArray(value) ? value.map(String) : String(value);
  }
  return plain;
}
