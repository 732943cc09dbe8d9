import type { TrustedIssuer } from '../../contract/bundle.ts';
import { readKeySet } from './algorithms.ts';
import { discoverKeys, type FetchPublic } from './discovery.ts';
import { fetchedKeys, givenKeys, type KeySource } from './key-source.ts';

/** An issuer that the operator named, with the keys that it has now. */
export interface KnownIssuer {
  readonly settings: TrustedIssuer;
  readonly keys: KeySource;
  readonly fingerprint: string;
}

/** The issuers of a bundle by their exact identifier; one whose settings have not changed keeps its keys. */
export function knownIssuers(
  settings: readonly TrustedIssuer[],
  before: ReadonlyMap<string, KnownIssuer>,
  deps: { readonly fetchPublic: FetchPublic; readonly now: () => number },
): ReadonlyMap<string, KnownIssuer> {
  return new Map(
    settings.map((one) => {
      const fingerprint = JSON.stringify(one);
      const old = before.get(one.issuer);
      return [
        one.issuer,
        old?.fingerprint === fingerprint ? old : { settings: one, fingerprint, keys: keysOf(one, deps) },
      ];
    }),
  );
}

function keysOf(
  { issuer, jwks, ca }: TrustedIssuer,
  { fetchPublic, now }: { readonly fetchPublic: FetchPublic; readonly now: () => number },
): KeySource {
  return jwks ? givenKeys(readKeySet(jwks)) : fetchedKeys(() => discoverKeys(issuer, ca, fetchPublic), now);
}
