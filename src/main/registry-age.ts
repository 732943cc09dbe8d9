import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { BundleId } from '../contract/signed-bundle.ts';
import { SafetyError } from '../control-plane/config/problem.ts';
import type { Registry } from '../control-plane/policy-registry/registry.ts';
import { BundleRefused, openBundle } from '../gateway/bundles/open-bundle.ts';

/** Whether the registry is the newest there is: gateways know, where somebody has restored an older copy of it. */
export class RegistryAge {
  /** Why nothing new may be signed: the registry is an older copy. */
  old: SafetyError | undefined;
  readonly #registry: Registry;
  readonly #bundleKey: KeyObject;
  readonly #state: string;

  /** @param bundleKey zone 0's public key, PEM */
  constructor(registry: Registry, bundleKey: string, state: string) {
    this.#registry = registry;
    this.#bundleKey = createPublicKey(bundleKey);
    this.#state = state;
  }

  /** Has zone 0's key signed this bundle, as that version? */
  isSigned(envelope: string, held: BundleId): boolean {
    try {
      const { version, digest } = openBundle(envelope, this.#bundleKey, undefined);
      return version === held.version && digest === held.digest;
    } catch (error) {
      if (error instanceof BundleRefused) return false;
      throw error;
    }
  }

  /**
   * A gateway holds what the registry does not have.
   * @param signed it has shown it, signed by zone 0: then it is the registry that is old, and else the gateway that lies
   * @returns what the operator should know
   */
  astray(gateway: string, { version }: BundleId, signed: boolean): string {
    const newest = this.#registry.newest?.version ?? 0;
    const other = version <= newest ? `another version ${version} than the registry` : `version ${version}`;
    if (!signed)
      return `it says that it holds ${other}, cannot show it, and the registry ends at ${newest}: look into that gateway`;
    this.old = new SafetyError(
      `the gateway ${gateway} holds ${other}, signed with zone 0’s key, and the registry ends at ${newest}: the registry is an older copy`,
      `end innerkeep control, restore the newest copy of ${join(this.#state, 'registry')} and start it again; ` +
        'where there is none, take gateway/bundle.dsse.json out of the state directory of each such gateway and start both again',
    );
    return this.old.message;
  }
}
