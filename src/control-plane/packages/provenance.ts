import pacote from 'pacote';
import { SafetyError } from '../config/problem.ts';
import { type RegistryKey, type TrustedRoot, verifyAttestations } from './attestation.ts';
import type { LockedPackage } from './lock.ts';
import type { NpmSettings } from './npm-settings.ts';
import { documentAt } from './registry.ts';
import { asked, each, nameAt } from './tree.ts';

export interface Provenance {
  /** `verified`: every package of the tree has a registry signature that holds. */
  readonly verdict: 'verified' | 'unverified';
  readonly signed: number;
  readonly of: number;
  /** The workflow that built the server's own package, by an attestation that holds (Sigstore); undefined: none is served. */
  readonly built: string | undefined;
  /** Why it is unverified. */
  readonly why: string | undefined;
}

interface SignedManifest {
  readonly _signatures?: readonly unknown[];
  readonly _attestations?: { readonly url?: unknown };
  readonly repository?: string | { readonly url?: string };
}

/**
 * Verifies what the registry serves of signatures and attestations. None served is `unverified`, never a pass.
 * @throws SafetyError for one that is wrong
 */
export async function checkProvenance(
  packages: Readonly<Record<string, LockedPackage>>,
  own: string,
  npm: NpmSettings,
  trustedRoot: () => Promise<TrustedRoot>,
): Promise<Provenance> {
  const keys = new Map<string, Promise<readonly RegistryKey[] | undefined>>();
  const unsigned: string[] = [];
  let keyless = false;
  let built: string | undefined;
  const list = Object.entries(packages);
  await each(list, 6, async ([path, { name = nameAt(path), version, integrity }]) => {
    const served = await manifest(`${name}@${version}`, { ...npm, integrity });
    const registry = registryOf(name, npm);
    const held = keys.get(registry) ?? registryKeys(registry, npm);
    keys.set(registry, held);
    const known = await held;
    if (served._attestations !== undefined) {
      // What a package was built from is in its full manifest only.
      const { repository } = await manifest(`${name}@${version}`, { ...npm, integrity, fullMetadata: true });
      const about = {
        name,
        version,
        sha512: sha512Of(integrity),
        repository: typeof repository === 'string' ? repository : repository?.url,
      };
      const text = await attestationsOf(served._attestations.url, registry, npm);
      const workflow = verifyAttestations(text, about, await trustedRoot(), known ?? []);
      if (path === own) built = workflow;
    }
    if ((served._signatures?.length ?? 0) === 0 || known === undefined) {
      keyless ||= (served._signatures?.length ?? 0) > 0;
      unsigned.push(`${name}@${version}`);
      return;
    }
    const { host, pathname } = new URL(registry);
    const verified = await manifest(`${name}@${version}`, {
      ...npm,
      integrity,
      verifySignatures: true,
      [`//${host}${pathname}:_keys`]: known,
    });
    // What was served a moment ago must not be gone in the answer that was verified.
    if ((verified._signatures?.length ?? 0) === 0)
      throw new SafetyError(`the signature of ${name}@${version} vanished`);
  });
  const signed = list.length - unsigned.length;
  const why = keyless
    ? 'the registry serves no keys'
    : `the registry serves no signature of ${unsigned.length} of ${list.length} packages`;
  return unsigned.length === 0
    ? { verdict: 'verified', signed, of: list.length, built, why: undefined }
    : { verdict: 'unverified', signed, of: list.length, built, why };
}

function sha512Of(integrity: string): string {
  const [, base64 = ''] = /(?:^|\s)sha512-(\S+)/.exec(integrity) ?? [];
  return Buffer.from(base64, 'base64').toString('hex');
}

/** From the registry that the package came from, wherever the address that it gives leads. */
async function attestationsOf(url: unknown, registry: string, npm: NpmSettings): Promise<string> {
  const { pathname } = new URL(String(url), registry);
  return asked(() => documentAt(new URL(pathname, registry).href, { ...npm, preferOnline: true }));
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
async function registryKeys(registry: string, npm: NpmSettings): Promise<readonly RegistryKey[] | undefined> {
  let text: string;
  try {
    text = await documentAt(`${registry}-/npm/v1/keys`, { ...npm, preferOnline: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^E4\d\d$/.test(String(error.code))) return undefined;
    return asked(() => Promise.reject(error));
  }
  const { keys } = JSON.parse(text) as { readonly keys?: readonly (RegistryKey & { readonly key: string })[] };
  if (!Array.isArray(keys)) return undefined;
  return keys.map((key) => ({ ...key, pemkey: `-----BEGIN PUBLIC KEY-----\n${key.key}\n-----END PUBLIC KEY-----` }));
}
