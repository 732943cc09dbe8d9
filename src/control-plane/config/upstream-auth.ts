import { z } from 'zod';
import { SECRET_REF } from '../secrets/names.ts';

const issuer = z
  .url({ protocol: /^https$/, error: 'an issuer is an https URL' })
  .refine((text) => !/[?#]|^https:\/\/[^/]*@/.test(text), 'an issuer has no user, query or fragment');
const ref = z
  .string()
  .regex(SECRET_REF, 'a secret is called a-z, 0-9, dot, underscore and hyphen, at most 64, from a letter on');

const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'a scope has no spaces, quotes or backslashes');

/** How callers of a remote server get tokens for it; each his own, for there is no other kind (A2). */
export function upstreamAuth(path: z.ZodType<string, string>) {
  return z
    .strictObject({
      exchange: issuer
        .optional()
        .describe(
          "The issuer that gives a token for the server in the place of the caller's own (RFC 8693); as its metadata writes it.",
        ),
      authorize: issuer
        .optional()
        .describe('Or: the issuer at which each person authorizes the gateway, once (authorization code, PKCE).'),
      audience: z.string().min(1).max(512).describe('Whom that token is for: the only one that is asked for.'),
      scopes: z
        .array(scope)
        .max(32)
        .default([])
        .describe('Scopes that are asked for; whatever the server asks for beyond, nothing else is.'),
      further_scopes: z
        .array(scope)
        .max(32)
        .optional()
        .describe('With `authorize`: scopes for which a person is asked when the server wants them for a call.'),
      client: z
        .strictObject({
          id: z.string().min(1).max(512).describe('What the issuer knows the gateway by.'),
          secret: ref.optional().describe('Its secret, by its name in the secret store, where it is a tenant’s.'),
          key: ref.optional().describe('Or: its private key, a JWK in one line (`private_key_jwt`).'),
        })
        .refine(({ secret, key }) => secret === undefined || key === undefined, 'one of secret and key')
        .describe('The gateway as a client of that issuer; with `authorize` it may have neither secret nor key.'),
      trusts: z
        .array(issuer)
        .max(16)
        .optional()
        .describe("With `exchange`: further issuers whose callers' tokens it is shown; absent: its own alone."),
      dpop: z
        .boolean()
        .default(true)
        .describe(
          'Whether tokens are bound to a key of ours where the issuer can do that; false: the server takes bearer tokens only.',
        ),
      ca: path.optional().describe("PEM file of an extra CA for the issuer's own endpoints."),
    })
    .superRefine((auth, context) => {
      const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
      const { exchange, authorize, audience, client } = auth;
      if ((exchange === undefined) === (authorize === undefined))
        fault(exchange === undefined ? 'exchange' : 'authorize', 'exactly one of exchange and authorize is needed');
      if (exchange === undefined && auth.trusts !== undefined) fault('trusts', 'goes with exchange only');
      if (authorize === undefined && auth.further_scopes !== undefined)
        fault('further_scopes', 'goes with authorize only');
      if (exchange !== undefined && client.secret === undefined && client.key === undefined)
        fault('client', 'exactly one of secret and key');
      // RFC 8707 §2.
      if (authorize !== undefined && (!URL.canParse(audience) || audience.includes('#')))
        fault('audience', 'with authorize it is a URL without fragment: the `resource` that is asked for');
    });
}
