import pacote from 'pacote';
import { SafetyError } from '../config/problem.ts';
import type { LockedPackage } from './lock.ts';
import type { NpmSettings } from './npm-settings.ts';
import { asked, each, nameAt } from './tree.ts';

export interface Provenance {
  /** `verified`: every package of the tree has a registry signature that holds. */
  readonly verdict: 'verified' | 'unverified';
  readonly signed: number;
  readonly of: number;
  /** The server's own package has a build attestation that holds (Sigstore). */
  readonly attested: boolean;
  /** Why it is unverified. */
  readonly why: string | undefined;
}

interface SignedManifest {
  readonly _signatures?: readonly unknown[];
  readonly _attestations?: object;
}

/**
 * Verifies what the registry serves of signatures and attestations. None served is `unverified`, never a pass.
 * @throws SafetyError for one that is wrong
 */
export async function checkProvenance(
  packages: Readonly<Record<string, LockedPackage>>,
  own: string,
  npm: NpmSettings,
): Promise<Provenance> {
  const packumentCache = new Map();
  const keys = new Map<string, Promise<readonly unknown[] | undefined>>();
  const unsigned: string[] = [];
  let keyless = false;
  let attested = false;
  const list = Object.entries(packages);
  await each(list, 6, async ([path, { name = nameAt(path), version, integrity }]) => {
    const options = { ...npm, integrity, packumentCache };
    const served = await manifest(`${name}@${version}`, options);
    const registry = registryOf(name, npm);
    let known: readonly unknown[] | undefined;
    if ((served._signatures?.length ?? 0) > 0) {
      const held = keys.get(registry) ?? registryKeys(registry, npm);
      keys.set(registry, held);
      known = await held;
      keyless ||= known === undefined;
    }
    if (known === undefined) unsigned.push(`${name}@${version}`);
    if (known === undefined && served._attestations === undefined) return;
    const { host, pathname } = new URL(registry);
    const verified = await manifest(`${name}@${version}`, {
      ...npm,
      integrity,
      verifySignatures: known !== undefined,
      verifyAttestations: served._attestations !== undefined,
      [`//${host}${pathname}:_keys`]: known ?? [],
    });
    // What was served a moment ago must not be gone in the answer that was verified.
    if (known !== undefined && (verified._signatures?.length ?? 0) === 0)
      throw new SafetyError(`the signature of ${name}@${version} vanished`);
    if (path === own) attested = verified._attestations !== undefined;
  });
  const signed = list.length - unsigned.length;
  const why = keyless
    ? 'the registry serves no keys'
    : `the registry serves no signature of ${unsigned.length} of ${list.length} packages`;
  return unsigned.length === 0
    ? { verdict: 'verified', signed, of: list.length, attested, why: undefined }
    : { verdict: 'unverified', signed, of: list.length, attested, why };
}

/** pacote's types know nothing of signatures yet. */
async function manifest(spec: string, options: NpmSettings): Promise<SignedManifest> {
  return (await asked(() => pacote.manifest(spec, options as pacote.Options))) as SignedManifest;
}

function registryOf(name: string, npm: NpmSettings): string {
  const scope = name.startsWith('@') ? npm[`${name.slice(0, name.indexOf('/'))}:registry`] : undefined;
  const registry = String(scope ?? npm.registry);
  return registry.endsWith('/') ? registry : `${registry}/`;
}

/** The registry's signing keys; undefined: it has none. */
async function registryKeys(registry: string, npm: NpmSettings): Promise<readonly unknown[] | undefined> {
  let text: string;
  try {
    // The one client that knows the operator's proxy, CA and login fetches this too; its answer is bytes to it.
    text = String(
      await pacote.tarball(`${registry}-/npm/v1/keys`, {
        ...npm,
        allowRemote: 'all',
        preferOnline: true,
      } as pacote.Options),
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^E4\d\d$/.test(String(error.code))) return undefined;
    return asked(() => Promise.reject(error));
  }
  const { keys } = JSON.parse(text) as { readonly keys?: readonly { readonly key: string }[] };
  if (!Array.isArray(keys)) return undefined;
  return keys.map((key) => ({ ...key, pemkey: `-----BEGIN PUBLIC KEY-----\n${key.key}\n-----END PUBLIC KEY-----` }));
}
