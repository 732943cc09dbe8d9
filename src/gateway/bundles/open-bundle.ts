import { hash, type KeyObject, verify } from 'node:crypto';
import { isObject, type JsonObject } from '../../contract/json.ts';
import { type BundleId, MAX_ENVELOPE, readEnvelope, signedBytes } from '../../contract/signed-bundle.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';

/** It is not a bundle that this gateway may take now; what is in force stays. The message is for the operator. */
export class BundleRefused extends Error {}

export interface OpenedBundle extends BundleId {
  /** What zone 0 has signed, `version` among it. */
  readonly bundle: JsonObject;
}

/** Containers in each other: descriptors lie some levels down. */
const MAX_DEPTH = 128;

/**
 * Opens a bundle: size, form and signature first, and only then is a byte of it parsed.
 * @param key zone 0's, Ed25519, known from the enrolment: the envelope's own word for its key is only compared
 * @param held the newest that this gateway has ever taken: what comes must be newer, and follow it where it is the next
 * @throws BundleRefused
 */
export function openBundle(envelope: string, key: KeyObject, held: BundleId | undefined): OpenedBundle {
  const opened = read(verified(envelope, key));
  const { version, digest, previous } = opened;
  if (held === undefined) return opened;
  if (digest === held.digest) throw new BundleRefused(`bundle ${version} was taken before: a replay`);
  if (version <= held.version)
    throw new BundleRefused(`bundle ${version} is not newer than ${held.version}, which was taken before`);
  if (version === held.version + 1 && previous !== held.digest)
    throw new BundleRefused(`bundle ${version} does not follow the bundle ${held.version} that was taken before`);
  return opened;
}

/** How an envelope names a key. */
export function keyIdOf(key: KeyObject): string {
  return hash('sha256', key.export({ format: 'der', type: 'spki' }), 'base64url');
}

function verified(envelope: string, key: KeyObject): Buffer {
  if (envelope.length > MAX_ENVELOPE)
    throw new BundleRefused(`a bundle of ${envelope.length} characters; ${MAX_ENVELOPE} are the most`);
  const parts = readEnvelope(envelope);
  if (parts === undefined) throw new BundleRefused('not a signed bundle, or cut off');
  const payload = Buffer.from(parts.payload, 'base64');
  const signature = Buffer.from(parts.signature, 'base64');
  // Decoding forgives; one bundle has one text.
  if (payload.toString('base64') !== parts.payload || signature.toString('base64') !== parts.signature)
    throw new BundleRefused('not a signed bundle: its base64 is not canonical (RFC 4648 §3.5)');
  if (parts.keyId !== keyIdOf(key)) throw new BundleRefused('signed with a key that is not zone 0’s');
  if (!verify(null, signedBytes(payload), key, signature))
    throw new BundleRefused('its signature does not hold: it was changed, or was never signed');
  return payload;
}

function read(payload: Buffer): OpenedBundle & { readonly previous: unknown } {
  let value: ReturnType<typeof parseStrict>['value'];
  try {
    value = parseStrict(payload, MAX_DEPTH).value;
  } catch (error) {
    if (error instanceof MalformedJson) throw new BundleRefused(`signed, and unreadable: ${error.message}`);
    throw error;
  }
  const bundle = isObject(value) ? value.bundle : undefined;
  if (!isObject(value) || !isObject(bundle)) throw new BundleRefused('signed, and not a bundle');
  const { version } = bundle;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
    throw new BundleRefused('signed, and without a version');
  return { version, digest: hash('sha256', payload, 'base64url'), previous: value.previous, bundle };
}
