import { z } from 'zod';
import { isPlainName } from '../../contract/identity.ts';
import { SECRET_REF } from '../secrets/names.ts';

const PAGERDUTY = 'https://events.pagerduty.com/v2/enqueue';

const secret = z
  .string()
  .regex(SECRET_REF, 'a secret is called a-z, 0-9, dot, underscore and hyphen, from a letter on');
const url = z.url({ protocol: /^https?$/, error: 'a receiver is an https URL' }).refine((text) => {
  const { protocol, hostname, username, password, hash } = new URL(text);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return username === '' && password === '' && hash === '' && (protocol === 'https:' || isHere);
}, 'https, or http to this machine; no user and no fragment');

/** Who is told when a breaker opens. @param path a file, from the configuration's directory on */
export function paging(path: z.ZodType<string>) {
  const ca = path.optional().describe('PEM file of an extra CA for it.');
  return z
    .strictObject({
      tenant: z
        .string()
        .refine(isPlainName, 'a tenant is a plain name')
        .describe('Whose the secrets here are, as in `innerkeep secrets put REF --tenant T`.'),
      pagerduty: z
        .strictObject({
          routing_key: secret.describe('Secret: the integration key of a service (Events API v2).'),
          url: url.default(PAGERDUTY).describe('Another region, such as https://events.eu.pagerduty.com/v2/enqueue.'),
          ca,
        })
        .optional()
        .describe('PagerDuty, Events API v2.'),
      alertmanager: z
        .strictObject({
          url: url.describe('Its address, without /api/v2/alerts.'),
          token: secret.optional().describe('Secret: a bearer token; absent: it wants none.'),
          ca,
        })
        .optional()
        .describe('Prometheus Alertmanager, API v2.'),
      webhook: z
        .strictObject({
          url,
          secret: secret.describe('Secret: what messages are signed with (Standard Webhooks, `whsec_…` in base64).'),
          ca,
        })
        .optional()
        .describe('Anything that takes a signed POST.'),
    })
    .optional()
    .describe('Who is told when a breaker opens, and when it closes: docs/limits.md.');
}
