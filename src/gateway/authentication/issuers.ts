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

/**
 * The issuers of a bundle by their exact identifier. One whose settings have not changed keeps its keys, and when none
 * has changed, the answer is `before` itself.
 */
export function knownIssuers(
  settings: readonly TrustedIssuer[],
  before: ReadonlyMap<string, KnownIssuer>,
  deps: { readonly fetchPublic: FetchPublic; readonly now: () => number },
): ReadonlyMap<string, KnownIssuer> {
  const after = new Map<string, KnownIssuer>();
  for (const one of settings) {
    const fingerprint = JSON.stringify(one);
    const old = before.get(one.issuer);
    after.set(
      one.issuer,
      old?.fingerprint === fingerprint ? old : { settings: one, fingerprint, keys: keysOf(one, deps) },
    );
  }
  const same = after.size === before.size && [...after].every(([issuer, known]) => before.get(issuer) === known);
  return same ? before : after;
}

function keysOf(
  { issuer, jwks, ca }: TrustedIssuer,
  { fetchPublic, now }: { readonly fetchPublic: FetchPublic; readonly now: () => number },
): KeySource {
  return jwks ? givenKeys(readKeySet(jwks)) : fetchedKeys(() => discoverKeys(issuer, ca, fetchPublic), now);
}
