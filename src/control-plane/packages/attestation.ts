import { createPublicKey } from 'node:crypto';
import { bundleFromJSON, isBundleWithDsseEnvelope } from '@sigstore/bundle';
import { getTrustedRoot } from '@sigstore/tuf';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import * as z from 'zod';
import { SafetyError } from '../config/problem.ts';
import type { NpmSettings } from './npm-settings.ts';

export type TrustedRoot = Awaited<ReturnType<typeof getTrustedRoot>>;

/** One of a registry's own keys, by which it signs that it has taken a package in. */
export interface RegistryKey {
  readonly keyid: string;
  readonly pemkey: string;
  /** RFC 3339; null: it has not ended. */
  readonly expires?: string | null;
}

/** What an attestation has to be about. */
export interface Attested {
  readonly name: string;
  readonly version: string;
  /** Hexadecimal SHA-512 of the tarball. */
  readonly sha512: string;
  /** As package.json says; undefined: it does not. */
  readonly repository: string | undefined;
}

/** Who may say where a package was built: the services that npm takes build provenance of. */
const ISSUERS = new Set(['https://token.actions.githubusercontent.com', 'https://gitlab.com']);

/** Fulcio's extension with the repository that was built (Source Repository URI). */
const SOURCE_REPOSITORY = '1.3.6.1.4.1.57264.1.12';

const PROVENANCE = /^https:\/\/slsa\.dev\/provenance\//;

const served = z.object({
  attestations: z
    .array(z.object({ predicateType: z.string(), bundle: z.unknown() }))
    .min(1)
    .max(16),
});

const statement = z.object({
  _type: z.string().startsWith('https://in-toto.io/Statement/'),
  predicateType: z.string(),
  subject: z.tuple([z.object({ name: z.string(), digest: z.object({ sha512: z.string() }) })]),
});

/** Sigstore's own roots of trust, as they came with the library or were brought by npm meanwhile. */
export function sigstoreRoot(npm: NpmSettings): Promise<TrustedRoot> {
  return getTrustedRoot({ forceCache: true, ...(typeof npm.tufCache === 'string' && { cachePath: npm.tufCache }) });
}

/**
 * Verifies every attestation that a registry serves of a package: the signature of its statement, a certificate of Sigstore that
 * was valid when a transparency log took it in, or a key of the registry; and that it is about this very tarball. Build
 * provenance (SLSA) has to come from a build service that we know, and from the repository that the package names.
 * @returns the workflow that built it; undefined: there is no build provenance among them
 * @throws SafetyError for the first that is wrong
 */
export function verifyAttestations(
  text: string,
  about: Attested,
  root: TrustedRoot,
  keys: readonly RegistryKey[],
): string | undefined {
  const title = `${about.name}@${about.version}`;
  let built: string | undefined;
  try {
    for (const { predicateType, bundle } of served.parse(JSON.parse(text)).attestations) {
      const workflow = verifyOne(bundle, predicateType, about, root, keys);
      if (PROVENANCE.test(predicateType)) built = workflow;
    }
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : error;
    throw new SafetyError(`the attestations of ${title} do not hold: ${String(why).slice(0, 500)}`);
  }
  return built;
}

function verifyOne(
  json: unknown,
  predicateType: string,
  about: Attested,
  root: TrustedRoot,
  keys: readonly RegistryKey[],
): string | undefined {
  const bundle = bundleFromJSON(json);
  if (!isBundleWithDsseEnvelope(bundle)) throw new Error('it is no statement');
  const material = toTrustMaterial(root, (hint) => keyOf(keys, hint));
  const { identity } = new Verifier(material).verify(toSignedEntity(bundle));
  const envelope = bundle.content.dsseEnvelope;
  if (envelope.payloadType !== 'application/vnd.in-toto+json') throw new Error('it is no in-toto statement');
  const said = statement.parse(JSON.parse(envelope.payload.toString('utf8')));
  if (said.predicateType !== predicateType)
    throw new Error(`it is served as ${predicateType}, and is ${said.predicateType}`);
  const [subject] = said.subject;
  const purl = `pkg:npm/${about.name.replace('@', '%40')}@${about.version}`;
  if (subject.name !== purl) throw new Error(`it is about ${subject.name}`);
  if (subject.digest.sha512 !== about.sha512) throw new Error('it is about another tarball');
  if (!PROVENANCE.test(predicateType)) return undefined;
  const workflow = identity?.subjectAlternativeName;
  if (workflow === undefined) throw new Error('it is no build that signed it');
  const issuer = identity?.extensions?.issuer ?? 'nobody';
  if (!ISSUERS.has(issuer)) throw new Error(`${issuer} is no build service that is known`);
  const source = identity?.oids?.find(({ oid }) => oid?.id.join('.') === SOURCE_REPOSITORY);
  const from = repositoryOf(source === undefined ? undefined : utf8(source.value));
  if (from === undefined || from !== repositoryOf(about.repository))
    throw new Error(
      `it was built from ${from ?? 'no repository'}, and the package names ${about.repository ?? 'none'}`,
    );
  return workflow;
}

function keyOf(keys: readonly RegistryKey[], hint: string) {
  const key = keys.find(({ keyid }) => keyid === hint);
  if (key === undefined) throw new Error(`no key ${hint} of the registry is known`);
  const end = key.expires ? Date.parse(key.expires) : Number.POSITIVE_INFINITY;
  return { publicKey: createPublicKey(key.pemkey), validFor: (at: Date) => at.getTime() < end };
}

/** A DER UTF8String (X.690 §8.23) of less than 256 bytes, as such a URI is. */
function utf8(der: Uint8Array): string {
  const text = der.subarray(der[1] === 0x81 ? 3 : 2);
  const length = der[1] === 0x81 ? der[2] : der[1];
  return der[0] === 0x0c && length === text.length ? Buffer.from(text).toString('utf8') : '';
}

/** In one spelling: `git+https://github.com/A/b.git`, `git@github.com:a/b`, `github:a/b` and `a/b` are the same. */
export function repositoryOf(text = ''): string | undefined {
  const plain = text
    .replace(/^git\+/, '')
    .replace(/[#?].*$/, '')
    .replace(/\/$/, '')
    .replace(/\.git$/, '');
  const long = /^(?:(?:https?|ssh|git):\/\/(?:[^@/]+@)?|git@)([\w.-]+)[/:]([\w.-]+(?:\/[\w.-]+)+)$/.exec(plain);
  const short = /^(?:(github|gitlab):)?([\w.-]+(?:\/[\w.-]+)+)$/.exec(plain);
  const [host, path] = long === null ? [`${short?.[1] ?? 'github'}.com`, short?.[2]] : [long[1], long[2]];
  return path === undefined ? undefined : `https://${host}/${path}`.toLowerCase();
}
