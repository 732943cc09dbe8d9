import { Environment } from '@marcbachmann/cel-js';
import { z } from 'zod';
import { duration, size } from './units.ts';

const PER = { s: 1000, min: 60_000, h: 3_600_000 } as const;

/** `100/min` → milliseconds from one token to the next. */
const rate = z
  .string({ error: 'a rate is a number and a time, such as 100/min' })
  .regex(/^[1-9]\d{0,8}\/(s|min|h)$/, 'a rate is a whole number and /s, /min or /h, such as 100/min')
  .transform(
    (text) => (text.endsWith('/s') ? PER.s : text.endsWith('/h') ? PER.h : PER.min) / Number.parseInt(text, 10),
  )
  .describe('Tokens that the bucket gets: `N/s`, `N/min` or `N/h`.');

/** Of a token bucket: a call takes one token; without one it is refused (429). */
const bucket = {
  rate,
  burst: z.int().min(1).max(10_000_000).default(20).describe('Tokens that it holds: calls that can come at once.'),
};
export const rateLimit = z.strictObject(bucket).transform(({ rate: interval, burst }) => ({ interval, burst }));

/** Dollars → whole micro-dollars. */
const dollars = z
  .number()
  .min(0)
  .max(1_000_000)
  .refine((usd) => Math.abs(usd * 1e6 - Math.round(usd * 1e6)) < 1e-6, 'at most six digits after the point')
  .transform((usd) => Math.round(usd * 1e6));

const allowance = {
  daily_usd: dollars.optional().describe('Dollars in one day (UTC); then its calls are refused.'),
  monthly_usd: dollars.optional().describe('Dollars in one month (UTC).'),
};

/** A CEL expression over `variables` that gives dollars. What it would do to a caller's text by patterns is refused. */
const expression = (...variables: readonly string[]) =>
  z
    .string()
    .max(2000)
    .superRefine((text, context) => {
      const environment = new Environment({ limits: { maxAstNodes: 200, maxDepth: 16 } });
      for (const name of variables) environment.registerVariable(name, 'dyn');
      const { valid, type, error } = environment.check(text);
      const isMoney = type === 'double' || type === 'int' || type === 'dyn';
      const message = /\bmatches\b/.test(text) ? 'matches is not allowed in a price' : error?.message.split('\n', 1)[0];
      if (!valid || !isMoney || message !== undefined)
        context.addIssue({ code: 'custom', message: message ?? `a price is a number of dollars, not ${String(type)}` });
    });

/** What a tool costs: docs/limits.md. */
export const toolCost = z
  .strictObject({
    usd: z
      .union([dollars, expression('args')])
      .optional()
      .describe('Dollars of one call, before it: a number, or a CEL expression over `args`.'),
    actual_usd: expression('args', 'result')
      .optional()
      .describe(
        'Dollars of one call, after it: a CEL expression over `args` and `result`; until then its `usd`, or `max_usd`.',
      ),
    dry_run: z
      .strictObject({
        tool: z.string().min(1).max(128).optional().describe('A tool of the same server; absent: the tool itself.'),
        with: z
          .record(z.string().min(1).max(128), z.union([z.string().max(256), z.number(), z.boolean()]))
          .optional()
          .describe("Arguments that make a call a dry run, such as `{ dry_run: true }`, in the place of the caller's."),
        usd: expression('args', 'result').describe(
          'Dollars of the call: a CEL expression over `args` and the `result` of its dry run.',
        ),
      })
      .optional()
      .describe('The server itself tells what a call would cost, before it: docs/limits.md.'),
    max_usd: dollars.optional().describe('Dollars that one call may cost.'),
    ...allowance,
  })
  .superRefine(({ usd, actual_usd, dry_run, max_usd }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['dry_run'], message });
    if (dry_run !== undefined && usd !== undefined) issue('goes without usd: there is one price');
    if (dry_run !== undefined && max_usd === undefined)
      issue('needs max_usd: so much is reserved when it was not true once');
    if (dry_run !== undefined && dry_run.tool === undefined && dry_run.with === undefined)
      issue('needs a tool, or arguments with which the call does nothing');
    if (actual_usd !== undefined && usd === undefined && dry_run === undefined && max_usd === undefined)
      context.addIssue({
        code: 'custom',
        path: ['actual_usd'],
        message: 'needs max_usd: so much is reserved until it is known',
      });
  })
  .transform(({ usd: price, actual_usd: actual, dry_run: dryRun, max_usd: max, ...periods }) => ({
    ...{ price, actual, dryRun, max, daily: periods.daily_usd, monthly: periods.monthly_usd },
  }));

/** Every key has its default, so that no limit can be forgotten. */
export const limits = z
  .strictObject({
    per_subject: z
      .strictObject({ ...bucket, rate: rate.prefault('100/min'), ...allowance })
      .prefault({})
      .describe('Calls of one subject; ten times as many messages of any kind.'),
    per_tenant: z
      .strictObject({ ...bucket, rate: rate.optional(), ...allowance })
      .prefault({})
      .describe('Calls of all subjects of one tenant, shared fairly; without a rate only each subject is limited.'),
    per_source: rateLimit
      .prefault({ rate: '300/min', burst: 100 })
      .describe('Tokens that fail to prove anything, from one address at one gateway; then no more are looked at.'),
    context: z
      .strictObject({
        bytes: size
          .refine((bytes) => bytes >= 65_536, 'at least 64KiB: less is no context')
          .describe('Bytes of answers that one session is given, and then no more: what its model has to read.'),
        window: duration.prefault('1h').describe('Without a session (2026-07-28): its subject, in each such time.'),
      })
      .optional()
      .describe('A bound on what one model is given to read; absent: each answer has its own alone.'),
    in_flight: z
      .strictObject({
        total: z.int().min(2).max(100_000).default(4000).describe('At one gateway.'),
        per_server: z.int().min(2).max(100_000).default(2000).describe('To one server, at one gateway.'),
      })
      .prefault({})
      .describe(
        'Calls that are not over; no tenant has more than half of them, or more than the others that are there.',
      ),
    store_away: z
      .strictObject({
        share: z
          .number()
          .gt(0)
          .max(1)
          .describe('Of each bucket, its tokens and what it gets: with four gateways 0.25 keeps to the limits in all.'),
        daily_usd: dollars
          .default(0)
          .describe('Dollars that calls may cost in one day (UTC); 0: none that costs anything.'),
      })
      .optional()
      .describe('What one gateway lets through by itself while the shared state store is away; absent: nothing.'),
  })
  .prefault({})
  .describe('How much may be asked: docs/limits.md.');
