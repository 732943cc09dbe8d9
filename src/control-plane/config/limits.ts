import { z } from 'zod';

const PER = { s: 1000, min: 60_000, h: 3_600_000 } as const;

/** `100/min` → milliseconds from one token to the next. */
const rate = z
  .string({ error: 'a rate is a number and a time, such as 100/min' })
  .regex(/^[1-9]\d{0,8}\/(s|min|h)$/, 'a rate is a whole number and /s, /min or /h, such as 100/min')
  .transform(
    (text) => (text.endsWith('/s') ? PER.s : text.endsWith('/h') ? PER.h : PER.min) / Number.parseInt(text, 10),
  )
  .describe('Tokens that the bucket gets: `N/s`, `N/min` or `N/h`.');

/** A token bucket: a call takes one token; without one it is refused (429). */
export const rateLimit = z
  .strictObject({
    rate,
    burst: z.int().min(1).max(10_000_000).default(20).describe('Tokens that it holds: calls that can come at once.'),
  })
  .transform(({ rate: interval, burst }) => ({ interval, burst }));

/** Every key has its default, so that no limit can be forgotten. */
export const limits = z
  .strictObject({
    per_subject: rateLimit
      .prefault({ rate: '100/min', burst: 20 })
      .describe('Calls of one subject; ten times as many messages of any kind.'),
    per_tenant: rateLimit
      .optional()
      .describe('Calls of all subjects of one tenant, shared fairly; absent: only each subject is limited.'),
    per_source: rateLimit
      .prefault({ rate: '300/min', burst: 100 })
      .describe('Tokens that fail to prove anything, from one address at one gateway; then no more are looked at.'),
  })
  .prefault({})
  .describe('How much may be asked: docs/limits.md.');
