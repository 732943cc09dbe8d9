import { randomUUID } from 'node:crypto';
import { type Lease, NoSecret, type SecretName, type SecretStore } from '../../contract/secret-store.ts';

/** What of the vault it needs: reads at each lease, so that a rotated value counts from the next call on. */
interface Vault {
  newest(name: SecretName): { readonly version: number; readonly value: string } | undefined;
}

/**
 * Static secrets out of the embedded vault. Nothing tells the API behind a secret of a lease's end; what keeps to it is
 * the egress proxy, which forgets the value.
 * @param now milliseconds since the epoch
 */
export function embeddedStore(vault: Vault, now: () => number): SecretStore {
  return {
    async lease(name: SecretName, milliseconds: number): Promise<Lease> {
      const found = vault.newest(name);
      if (found === undefined) throw new NoSecret(name);
      return { id: randomUUID(), ...found, until: now() + milliseconds };
    },
    async revoke(): Promise<void> {},
  };
}
