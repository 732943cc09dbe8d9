import { z } from 'zod';

/** Hosts to which a connection without TLS never leaves this machine. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Where the state lies that gateways share. */
export const stateStore = z
  .string()
  .refine(isStore, '`memory`, rediss://HOST, or redis:// to a loopback address: who can alter the answers undoes it')
  .default('memory')
  .describe('What gateways must agree on (proofs that were used): `memory` of the one gateway, or `rediss://…`.');

export const dpop = z
  .strictObject({
    nonce: z
      .boolean()
      .default(true)
      .describe("Whether proofs must carry a nonce of the gateway's; a client is told it by the first 401."),
  })
  .prefault({})
  .describe('Key-bound tokens (RFC 9449); always accepted, and never without their proof.');

/** SPIFFE-ID §2.1. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const TENANT_PATH = /^\/$|^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/;

/** @param path a file of the operator's */
export const spiffe = (path: z.ZodType<string>) =>
  z
    .strictObject({
      trust_domain: z
        .string()
        .regex(TRUST_DOMAIN, 'a trust domain is a name such as example.org, without spiffe://')
        .describe('Whose SVIDs are accepted.'),
      bundle: path
        .optional()
        .describe(
          'File of its trust bundle: the SPIFFE document (JSON), or X.509 authorities alone (PEM); read again when it changes.',
        ),
      workload_api: z
        .string()
        .regex(/^unix:(\/\/)?\/[^\0]+$/, 'a Workload API is unix:///PATH of its socket')
        .transform((text) => text.replace(/^unix:(\/\/)?/, ''))
        .optional()
        .describe('Or: `unix:///PATH` of the SPIFFE Workload API that gives it.'),
      tenants: z
        .record(z.string().regex(TENANT_PATH, 'a path such as /ns/acme, or /'), z.string().min(1).max(128))
        .optional()
        .describe(
          'Tenants by the path of the SPIFFE ID: the longest prefix of whole segments counts, `/` is of all others. Absent: all are of a tenant named like the trust domain.',
        ),
    })
    .superRefine((value, context) => {
      if ((value.bundle === undefined) === (value.workload_api === undefined))
        context.addIssue({ code: 'custom', message: 'exactly one of bundle, workload_api is needed' });
    })
    .meta({ oneOf: [{ required: ['bundle'] }, { required: ['workload_api'] }] })
    .optional()
    .describe('Workloads that are known by their X.509-SVID (mutual TLS) or JWT-SVID.');

function isStore(text: string): boolean {
  if (text === 'memory') return true;
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return hostname !== '' && (protocol === 'rediss:' || (protocol === 'redis:' && LOOPBACK.test(hostname)));
}
