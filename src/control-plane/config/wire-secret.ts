import { z } from 'zod';
import type { EgressRule } from '../../contract/egress.ts';
import { isPlainPath } from '../../contract/wire-secret.ts';
import { SECRET_REF } from '../secrets/names.ts';

/** Headers that frame or route a request, or are of one hop only (RFC 9110 §7.6.1); the proxy writes those itself. */
const NEVER = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'if-range',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
]);
const PATTERN =
  'a path is plain, such as /v1/notes, and may end in /* for all below; no encoded slashes, dots or parameters';
const METHOD = /^[A-Z]{1,32}$/;

const header = z
  .string()
  .regex(
    /^[A-Za-z0-9-]{1,64}: [\x21-\x7e]*( [\x21-\x7e]+)*$/,
    'a header is NAME: VALUE, such as "Authorization: Bearer {value}"',
  )
  .refine((text) => text.split('{value}').length === 2, 'exactly one {value} says where the secret goes')
  .refine((text) => !NEVER.has(nameOf(text)), 'this header is not for a credential: it frames or routes the request');

/** One entry of `secrets`. */
export const wireSecret = z.strictObject({
  ref: z
    .string()
    .regex(SECRET_REF, 'a secret is called a-z, 0-9, dot, underscore and hyphen, at most 64, from a letter on')
    .describe('Its name in the secret store, where it is looked up for the caller.'),
  host: z
    .string()
    .regex(/^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/, 'a host is one lower-case DNS name, no wildcard')
    .describe('The host whose requests get it; it has to be in `sandbox.egress`.'),
  port: z.number().int().min(1).max(65_535).default(443).describe('Its port.'),
  methods: z
    .array(
      z
        .string()
        .regex(METHOD, 'a method is upper-case letters, such as GET')
        .refine((method) => method !== 'CONNECT' && method !== 'TRACE', 'CONNECT and TRACE never get a credential'),
    )
    .min(1)
    .describe('Methods of those requests.'),
  paths: z
    .array(
      z
        .string()
        .refine((text) => isPlainPath(text.replace(/\/\*$/, '/')) && !/\*./.test(text), PATTERN)
        .refine((text) => !text.includes('*') || text.endsWith('/*'), PATTERN),
    )
    .min(1)
    .describe('Paths of those requests: exact, or `/below/*`.'),
  header: header.describe('The header and its value, in which `{value}` stands for the secret.'),
  per: z
    .literal(['subject', 'tenant'])
    .default('subject')
    .describe("Whose it is: the calling subject's own, or one of his tenant. There is no shared one."),
});

function nameOf(text: string): string {
  return text.slice(0, text.indexOf(':')).toLowerCase();
}

interface Server {
  readonly secrets?: readonly z.output<typeof wireSecret>[] | undefined;
  readonly sandbox?: { readonly egress: readonly EgressRule[] } | undefined;
}

interface Context {
  addIssue(issue: { readonly code: 'custom'; readonly path: PropertyKey[]; readonly message: string }): void;
}

/** Between a server's `secrets` and its `sandbox.egress`: what gets a credential can be reached, over TLS. */
export function checkSecrets({ secrets = [], sandbox }: Server, context: Context): void {
  const rules = sandbox?.egress ?? [];
  const fault = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
  for (const [index, { ref, host, port, per }] of secrets.entries()) {
    const rule = rules.find((one) => one.host === host && one.port === port);
    if (rule === undefined)
      fault(
        ['secrets', index, 'host'],
        `${host}:${port} cannot be reached: add it to sandbox.egress by this very name`,
      );
    else if (!rule.tls)
      fault(['secrets', index, 'host'], `${host}:${port} is reached without TLS: no credential goes there`);
    if (secrets.some((other) => other.ref === ref && other.per !== per))
      fault(
        ['secrets', index, 'per'],
        `${ref} is per subject in one place and per tenant in another; give them two names`,
      );
  }
  for (const [index, { ca, inspect, host, port }] of rules.entries())
    if (ca !== undefined && !inspect && !secrets.some((secret) => secret.host === host && secret.port === port))
      fault(['sandbox', 'egress', index, 'ca'], 'TLS does not end at the proxy here: set inspect, or leave ca out');
}
