import { z } from 'zod';

/** Policies are asked with everything that is known of a call: on this machine, or over TLS. */
function isOpaUrl(text: string): boolean {
  if (text.startsWith('unix:')) return /^unix:\/[^\0]+$/.test(text);
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || `${url.pathname}${url.search}${url.hash}` !== '/')
    return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && /^(127(\.\d+){3}|\[::1\])$/.test(url.hostname));
}

/** A directory for Cedar, or a map for OPA. */
export function policies(path: z.ZodType<string, string>) {
  const directory = path.prefault('./policies');
  return z
    .union(
      [
        path.transform((cedar) => ({ directory: cedar, opa: undefined })),
        z
          .strictObject({
            engine: z.literal('opa').describe('OPA judges, beside the gateway.'),
            directory: directory.describe('Directory of the policies, `*.rego`.'),
            url: z
              .string()
              .refine(isOpaUrl, 'unix:/PATH, https://HOST:PORT, or http:// and an address of this machine')
              .describe('Where it is: `unix:/run/opa.sock`, `https://…`, or `http://127.0.0.1:8181`.'),
            ca: path.optional().describe('PEM file of its authorities; absent: the public ones.'),
          })
          .transform(({ engine: _, directory: rego, ...opa }) => ({ directory: rego, opa })),
      ],
      { error: 'policies are a directory, or a map with engine: opa, url, and directory or ca' },
    )
    .prefault('./policies')
    .describe(
      'Directory of the Cedar policies, `*.cedar`, and of who is in which groups, `*.tuples`; or a map that has OPA judge: `engine: opa`, `url`, `directory`, `ca` (docs/policies.md).',
    );
}
