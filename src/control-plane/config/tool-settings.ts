import { z } from 'zod';
import { P99 } from '../../contract/breaker.ts';
import { rateLimit, toolCost } from './limits.ts';
import { duration } from './units.ts';

const labels = z
  .array(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a label is a-z, 0-9 and hyphens, from a letter on'))
  .max(16)
  .optional();

/** What the configuration says of one tool. */
export const toolSettings = z.strictObject({
  open_schema: z
    .array(z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'a JSON Pointer, such as /properties/filter'))
    .default([])
    .describe("JSON Pointers into the tool's input schema at which further properties stay allowed."),
  code: z
    .array(z.string().regex(/^(\/([^~/]|~[01])+)+$/, 'a JSON Pointer, such as /script or /edits/*/text'))
    .default([])
    .describe('JSON Pointers into the arguments (`*`: each element) whose strings are code: injection shapes pass.'),
  step_up: z
    .literal('mfa')
    .optional()
    .describe('A person confirms each single call with a passkey; no token stands for that.'),
  rate: rateLimit.optional().describe('Calls of all callers together.'),
  cost: toolCost.optional().describe('Its calls cost money; one that has no price is refused.'),
  breaker: z
    .strictObject({
      p99: duration
        .prefault(`${P99}ms`)
        .describe('A tool that is slow by nature: so long may the slowest but one in a hundred take.'),
      is_error: z
        .enum(['answer', 'fault'])
        .default('answer')
        .describe(
          'What a result with `isError` is: an answer to what the caller asked, or (`fault`) always the failure of the tool.',
        ),
      errors: z
        .enum(['count', 'ignore'])
        .default('count')
        .describe('`ignore`: a tool that fails by nature; it may be slow only.'),
    })
    .optional()
    .describe('When the tool counts as out of order; absent: 2 s at the 99th percentile, or one error in ten.'),
  reads: labels.describe('Labels of the data that it gives, such as private or untrusted: docs/policies.md.'),
  writes: labels.describe('Labels of where it may carry data to, such as external.'),
});
