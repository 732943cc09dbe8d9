import { z } from 'zod';
import { SECRET_REF } from '../secrets/names.ts';

const issuer = z
  .url({ protocol: /^https$/, error: 'an issuer is an https URL' })
  .refine((text) => !/[?#]|^https:\/\/[^/]*@/.test(text), 'an issuer has no user, query or fragment');
const ref = z
  .string()
  .regex(SECRET_REF, 'a secret is called a-z, 0-9, dot, underscore and hyphen, at most 64, from a letter on');

/** How callers of a remote server get tokens for it; each his own, for there is no other kind (A2). */
export function upstreamAuth(path: z.ZodType<string, string>) {
  return z.strictObject({
    exchange: issuer.describe(
      "The issuer that gives a token for the server in the place of the caller's own (RFC 8693); as its metadata writes it.",
    ),
    audience: z.string().min(1).max(512).describe('Whom that token is for: the only `audience` that is asked for.'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'a scope has no spaces, quotes or backslashes'))
      .max(32)
      .default([])
      .describe('Scopes that are asked for; whatever the server asks for beyond, nothing else is.'),
    client: z
      .strictObject({
        id: z.string().min(1).max(512).describe('What the issuer knows the gateway by.'),
        secret: ref.optional().describe('Its secret, by its name in the secret store, where it is a tenant’s.'),
        key: ref.optional().describe('Or: its private key, a JWK in one line (`private_key_jwt`).'),
      })
      .refine(({ secret, key }) => (secret === undefined) !== (key === undefined), 'exactly one of secret and key')
      .describe('The gateway as a client of that issuer.'),
    trusts: z
      .array(issuer)
      .max(16)
      .default([])
      .describe("Further issuers whose callers' tokens `exchange` is shown; absent: its own alone."),
    ca: path.optional().describe("PEM file of an extra CA for the issuer's own endpoints."),
  });
}
