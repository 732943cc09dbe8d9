import { z } from 'zod';

/** Clients that the embedded issuer knows beforehand. */
export const clients = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'a client id is a-z, 0-9 and hyphens, from a letter on'),
    z.strictObject({
      name: z.string().min(1).max(128).describe('What people are shown when it asks for their consent.'),
      redirect_uris: z
        .array(z.string().refine(safeRedirect, 'https, http to this device, or a scheme with a dot; no fragment'))
        .min(1)
        .max(16)
        .describe('Where codes may go: exactly these; on loopback with any port (RFC 8252).'),
    }),
  )
  .default({})
  .describe(
    'Clients of the embedded issuer, by client id; others are known by their metadata document, whose URL is their id.',
  );

/** RFC 8252 §7, RFC 9700 §4.1.3. */
function safeRedirect(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, hash, username, password } = new URL(text);
  if (hash !== '' || text.includes('#') || username !== '' || password !== '') return false;
  const isHere = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
  if (protocol === 'https:') return !isHere;
  return protocol === 'http:' ? isHere : /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(protocol);
}
