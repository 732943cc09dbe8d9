import type { SecretStore } from '../contract/secret-store.ts';
import { LONGEST_LEASE } from '../contract/wire-secret.ts';
import { readText } from '../control-plane/config/load.ts';
import type { ServerSettings } from '../control-plane/config/schema.ts';
import type { LeasesDeps } from '../control-plane/secrets/leases.ts';
import { CallerTokens, type ExchangeRules } from '../control-plane/upstream-authorization/caller-tokens.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { outboundFetch } from './outbound-fetch.ts';

type Auth = NonNullable<ServerSettings['auth']>;

/** The callers' tokens at remote servers, by the configuration in force and out of the store that it names. */
export function callerTokens(
  authOf: (server: string) => Auth | undefined,
  store: SecretStore,
  now: () => number,
): LeasesDeps['token'] {
  const tokens = new CallerTokens(now);
  const outbound = openOutbound();
  const known = new WeakMap<Auth, ExchangeRules>();
  return (wish) => {
    const auth = authOf(wish.server);
    if (auth === undefined) return undefined;
    const rules = known.get(auth) ?? rulesOf(auth, store, outbound);
    known.set(auth, rules);
    return tokens.lease(rules, wish);
  };
}

function rulesOf(auth: Auth, store: SecretStore, outbound: ReturnType<typeof openOutbound>): ExchangeRules {
  const { exchange: issuer, audience, scopes, client, trusts, ca: file } = auth;
  const ca = file === undefined ? undefined : readText(file, 'a PEM file is needed');
  const ref = client.secret ?? client.key ?? '';
  return {
    issuer,
    audience,
    scope: scopes.length === 0 ? undefined : scopes.join(' '),
    trusts,
    clientId: client.id,
    async credential(tenant) {
      const { id, value } = await store.lease({ ref, tenant, subject: undefined }, LONGEST_LEASE);
      await store.revoke(id);
      return client.secret === undefined ? { key: value } : { secret: value };
    },
    fetch: outboundFetch(outbound, { trustedHost: new URL(issuer).hostname, ca }),
  };
}
