import { document, type Fetch, NotAuthorized } from './fetching.ts';

/** What a server says of who may issue tokens for it (RFC 9728). */
export interface ProtectedResource {
  /** What tokens are asked for, letter by letter as the server publishes it (RFC 8707). */
  readonly resource: string;
  readonly issuer: string;
  /** Space separated; undefined: it names none. */
  readonly scope: string | undefined;
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/**
 * @param server URL of the MCP endpoint
 * @param named where the server's challenge says that its metadata is; undefined: it does not
 * @throws NotAuthorized when there is none that can be believed
 */
export async function protectedResource(
  server: string,
  named: string | undefined,
  fetch: Fetch,
): Promise<ProtectedResource> {
  const { origin, pathname } = new URL(server);
  if (named !== undefined && !(URL.canParse(named) && new URL(named).origin === origin))
    throw new NotAuthorized(
      `the server's metadata is said to be at ${JSON.stringify(named.slice(0, 256))}, not at its own`,
    );
  const path = pathname.replace(/\/$/, '');
  const places = named === undefined ? new Set([`${origin}${WELL_KNOWN}${path}`, `${origin}${WELL_KNOWN}`]) : [named];
  for (const place of places) {
    const found = await document(place, fetch);
    if (found !== undefined) return read(found, server, place);
  }
  // MCP 2025-03-26, Authorization: the server's own origin is its issuer.
  if (named === undefined) return { resource: server, issuer: origin, scope: undefined };
  throw new NotAuthorized(`${named}: nothing is there`);
}

function read(found: Readonly<Record<string, unknown>>, server: string, place: string): ProtectedResource {
  const { resource, authorization_servers: issuers, scopes_supported: scopes } = found;
  if (typeof resource !== 'string' || !contains(resource, server))
    throw new NotAuthorized(
      `${place} is the metadata of ${JSON.stringify(resource)}, not of ${server} (RFC 9728 §3.3)`,
    );
  const issuer: unknown = Array.isArray(issuers) ? issuers[0] : undefined;
  if (typeof issuer !== 'string') throw new NotAuthorized(`${place} names no authorization server`);
  const isList = Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string');
  return { resource, issuer, scope: isList && scopes.length > 0 ? scopes.join(' ') : undefined };
}

/** Whether a resource is the server, or a whole of which the server's path is a part (MCP 2025-11-25, Canonical URI). */
function contains(resource: string, server: string): boolean {
  if (!URL.canParse(resource) || /[?#]/.test(resource)) return resource === server;
  const [whole, part] = [new URL(resource), new URL(server)];
  if (whole.origin !== part.origin || whole.username !== '' || whole.password !== '') return false;
  const path = whole.pathname.replace(/\/$/, '');
  return part.pathname === path || part.pathname.startsWith(`${path}/`);
}
