import { createHmac } from 'node:crypto';

/**
 * Names of things as the store has them: who reads it cannot tell whose they are, nor try whether somebody is there
 * (HMAC-SHA-256, RFC 2104; 128 bits of it).
 * @param key base64url
 */
export function namer(key: string): (name: string) => string {
  const secret = Buffer.from(key, 'base64url');
  if (secret.length < 32) throw new RangeError('a key for names has 32 bytes');
  return (name) => createHmac('sha256', secret).update(name).digest().toString('base64url', 0, 16);
}
