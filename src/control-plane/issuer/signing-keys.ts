import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readSecret, StateError, writeNew } from '../pki/state-files.ts';

const privateJwk = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string().min(1),
  y: z.string().min(1),
  d: z.string().min(1),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
  kid: z.string().min(1).max(64),
});
const privateJwks = z.strictObject({ keys: z.array(privateJwk).min(1).max(8) });

export type SigningKeys = z.infer<typeof privateJwks>;

/**
 * The issuer's private keys, made once. The first signs; all are published, so that a key can be put in front and
 * the old one kept until its tokens have expired.
 * @throws StateError
 */
export function openSigningKeys(directory: string): SigningKeys {
  const file = join(directory, 'keys.json');
  const text = readSecret(file);
  if (text === undefined) {
    const made = { keys: [makeKey()] };
    writeNew(file, `${JSON.stringify(made)}\n`);
    return made;
  }
  try {
    const keys = privateJwks.parse(JSON.parse(text));
    for (const key of keys.keys) createPublicKey({ key, format: 'jwk' });
    return keys;
  } catch {
    throw new StateError(`${file} is not a set of private P-256 keys (RFC 7517)`);
  }
}

/** The key id is the key's own thumbprint (RFC 7638). */
function makeKey(): SigningKeys['keys'][number] {
  const { kty, crv, x, y, d } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return privateJwk.parse({ kty, crv, x, y, d, alg: 'ES256', use: 'sig', kid });
}
