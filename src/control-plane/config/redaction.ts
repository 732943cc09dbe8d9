import { z } from 'zod';
import { patternOf, readTemplate } from '../../contract/secret-template.ts';

const MAX_RULES = 100;

/** A text in which the secret is found; `{mixed:40}` stands for what is drawn. */
const sample = z.string().max(2000);

const ownRule = z
  .strictObject({
    template: z
      .string()
      .max(256)
      .describe('What each begins with, then `{ALPHABET:LENGTH}` or `{ALPHABET:LEAST-MOST}`: docs/sanitization.md.'),
    finds: z.array(sample).max(20).default([]).describe('Texts that must be found, whole; tried at each load.'),
    spares: z.array(sample).max(20).default([]).describe('Texts in which nothing may be found; tried at each load.'),
  })
  .superRefine(({ template, finds, spares }, context) => {
    const parts = readTemplate(template);
    if (typeof parts === 'string') {
      context.addIssue({ code: 'custom', path: ['template'], message: parts });
      return;
    }
    const pattern = new RegExp(`(?<![A-Za-z0-9])${patternOf(parts)}`);
    for (const [index, text] of finds.entries())
      if (pattern.exec(text)?.[0] !== text)
        context.addIssue({
          code: 'custom',
          path: ['finds', index],
          message: 'the template does not find it, or not whole',
        });
    for (const [index, text] of spares.entries())
      if (pattern.test(text))
        context.addIssue({ code: 'custom', path: ['spares', index], message: 'the template finds a secret in it' });
  });

export const redaction = z
  .strictObject({
    licence: z.string().max(100).optional().describe('Of the rules, where they are somebody’s: an SPDX expression.'),
    rules: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a rule is a-z, 0-9 and hyphens, from a letter on'), ownRule)
      .refine((rules) => Object.keys(rules).length <= MAX_RULES, `at most ${MAX_RULES} rules`)
      .transform((rules) => Object.entries(rules).map(([id, { template }]) => ({ id, template })))
      .prefault({})
      .describe('By the id that the marker `[redacted:ID]` shows.'),
  })
  .prefault({})
  .describe('Kinds of secrets of your own, which the output filter looks for beside those that it knows.');
