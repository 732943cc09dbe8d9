import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { SecretName } from '../../contract/secret-store.ts';

/** One version of one secret as it lies on disk. */
export const sealed = z.strictObject({
  ref: z.string(),
  tenant: z.string(),
  subject: z.string().optional(),
  version: z.number().int().positive(),
  /** RFC 3339. */
  created: z.string(),
  nonce: z.base64url(),
  data: z.base64url(),
  tag: z.base64url(),
});

export type Sealed = z.output<typeof sealed>;

/** AES-256-GCM (NIST SP 800-38D); whose value it is, and which version, is authenticated with it. */
export function seal(key: Buffer, name: SecretName, version: number, created: string, value: string): Sealed {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const { ref, tenant, subject } = name;
  const facts = { ref, tenant, ...(subject === undefined ? {} : { subject }), version, created };
  cipher.setAAD(factsOf(facts));
  const data = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  const [text, tag] = [data, cipher.getAuthTag()].map((bytes) => bytes.toString('base64url')) as [string, string];
  return { ...facts, nonce: nonce.toString('base64url'), data: text, tag };
}

/** @throws when anything of it was altered, or it was sealed with another key */
export function unseal(key: Buffer, { nonce, data, tag, ...facts }: Sealed): string {
  const [iv, text, mac] = [nonce, data, tag].map((field) => Buffer.from(field, 'base64url')) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  // Shorter tags would be taken otherwise.
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 });
  decipher.setAAD(factsOf(facts));
  decipher.setAuthTag(mac);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
}

function factsOf({ ref, tenant, subject, version, created }: Omit<Sealed, 'nonce' | 'data' | 'tag'>): Buffer {
  return Buffer.from(JSON.stringify([ref, tenant, subject ?? null, version, created]));
}
