export type Route =
  /** `server` is unchecked: an unknown one is answered after authentication, like one that the subject may not see. */
  | { readonly kind: 'mcp'; readonly server: string | undefined; readonly transport: 'streamable' | 'sse' }
  | { readonly kind: 'resource-metadata'; readonly server: string | undefined }
  | { readonly kind: 'issuer' }
  | { readonly kind: 'none' };

const NONE: Route = { kind: 'none' };
const RESOURCE_METADATA = '/.well-known/oauth-protected-resource';
const ISSUER = /^\/(?:oauth\/|\.well-known\/(?:openid-configuration$|oauth-authorization-server(?:\/|$)))/;
/** No dot segment, no empty one, nothing that somebody behind us might decode into one. */
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~:@!$&'()*+,;=-]+)+\/?$/;

/** Whether a name may be a server's (contract: Endpoints). */
function isServerName(name: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(name);
}

/** Where a path leads; the path is raw, and nothing is decoded or normalised. */
export function route(path: string): Route {
  if (path === '/mcp') return { kind: 'mcp', server: undefined, transport: 'streamable' };
  if (path.startsWith('/mcp/')) return mcp(path.slice('/mcp/'.length));
  if (path.startsWith(RESOURCE_METADATA)) return resourceMetadata(path.slice(RESOURCE_METADATA.length));
  return ISSUER.test(path) && PLAIN_PATH.test(path) ? { kind: 'issuer' } : NONE;
}

/** No server is named `sse`, so that what comes behind a name can only be the older transport (MCP 2024-11-05). */
function mcp(rest: string): Route {
  const sse = rest.endsWith('/sse');
  return { kind: 'mcp', server: sse ? rest.slice(0, -'/sse'.length) : rest, transport: sse ? 'sse' : 'streamable' };
}

/** RFC 9728 §3.1: the resource's own path is inserted behind the well-known one; the root stands for `/mcp`. */
function resourceMetadata(suffix: string): Route {
  if (suffix === '' || suffix === '/mcp') return { kind: 'resource-metadata', server: undefined };
  const server = suffix.startsWith('/mcp/') ? suffix.slice('/mcp/'.length) : '';
  return isServerName(server) ? { kind: 'resource-metadata', server } : NONE;
}
