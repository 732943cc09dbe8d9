import type { SecretStore } from '../contract/secret-store.ts';
import { LONGEST_LEASE } from '../contract/wire-secret.ts';
import { readText } from '../control-plane/config/load.ts';
import type { ServerSettings } from '../control-plane/config/schema.ts';
import type { LeasesDeps } from '../control-plane/secrets/leases.ts';
import { CallerGrants, type CallerGrantsDeps } from '../control-plane/upstream-authorization/caller-grants.ts';
import { CallerTokens, type ExchangeRules } from '../control-plane/upstream-authorization/caller-tokens.ts';
import type { GrantRules } from '../control-plane/upstream-authorization/grant-rules.ts';
import { KnownIssuers } from '../control-plane/upstream-authorization/known-issuers.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { outboundFetch } from './outbound-fetch.ts';

type Auth = NonNullable<ServerSettings['auth']>;

interface Rules {
  readonly exchange?: ExchangeRules;
  readonly authorize?: GrantRules;
}

export interface CallerTokensDeps extends Omit<CallerGrantsDeps, 'issuers' | 'rules'> {
  /** By the configuration in force; undefined: there is no such server. */
  readonly server: (name: string) => Pick<ServerSettings, 'url' | 'auth'> | undefined;
  /** What the configuration's `client` names. */
  readonly secrets: SecretStore;
}

/** The callers' tokens at remote servers, exchanged for their own or authorized by themselves. */
export function callerTokens(deps: CallerTokensDeps): {
  readonly token: LeasesDeps['token'];
  readonly grants: CallerGrants;
} {
  const issuers = new KnownIssuers(deps.now);
  const outbound = openOutbound();
  const known = new WeakMap<Auth, Rules>();
  const rules = (name: string): Rules | undefined => {
    const { url, auth } = deps.server(name) ?? {};
    if (url === undefined || auth === undefined) return undefined;
    const found = known.get(auth) ?? rulesOf(name, url, auth, deps.secrets, outbound);
    known.set(auth, found);
    return found;
  };
  const tokens = new CallerTokens(deps.now, issuers);
  const grants = new CallerGrants({ ...deps, issuers, rules: (server) => rules(server)?.authorize });
  return {
    grants,
    token(wish) {
      const { exchange, authorize } = rules(wish.server) ?? {};
      if (exchange !== undefined) return tokens.lease(exchange, wish);
      return authorize && grants.lease(authorize, wish);
    },
  };
}

function rulesOf(
  server: string,
  url: string,
  auth: Auth,
  secrets: SecretStore,
  outbound: ReturnType<typeof openOutbound>,
): Rules {
  const {
    exchange,
    authorize,
    audience,
    scopes,
    dpop,
    further_scopes: further = [],
    trusts = [],
    client,
    ca: file,
  } = auth;
  const ca = file === undefined ? undefined : readText(file, 'a PEM file is needed');
  const issuer = exchange ?? authorize ?? '';
  const common = {
    url,
    issuer,
    audience,
    dpop,
    clientId: client.id,
    async credential(tenant: string) {
      const ref = client.secret ?? client.key;
      if (ref === undefined) return {};
      const { id, value } = await secrets.lease({ ref, tenant, subject: undefined }, LONGEST_LEASE);
      await secrets.revoke(id);
      return client.secret === undefined ? { key: value } : { secret: value };
    },
    fetch: outboundFetch(outbound, { trustedHost: new URL(issuer).hostname, ca }),
  };
  if (exchange === undefined) return { authorize: { ...common, server, scopes, further } };
  return { exchange: { ...common, scope: scopes.length === 0 ? undefined : scopes.join(' '), trusts } };
}
