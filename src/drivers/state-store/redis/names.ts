import { createHmac, createSecretKey } from 'node:crypto';

/**
 * Names of things as the store has them: who reads it cannot tell whose they are, nor try whether somebody is there
 * (HMAC-SHA-256, RFC 2104; 128 bits of it).
 * @param key base64url
 */
export function namer(key: string): (name: string) => string {
  const secret = Buffer.from(key, 'base64url');
  if (secret.length < 32) throw new RangeError('a key for names has 32 bytes');
  // Made once: bytes are made a key of for each name, which costs four times what the name does.
  const made = createSecretKey(secret);
  return (name) => createHmac('sha256', made).update(name).digest().toString('base64url', 0, 16);
}
