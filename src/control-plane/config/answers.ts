import { z } from 'zod';
import { size } from './units.ts';

/** What the configuration says of a server's answers. */
export const answers = {
  max_result: size.prefault('4MiB').describe('Largest result of one call; what is larger is refused.'),
  max_answer: size
    .refine((bytes) => bytes >= 4096, 'at least 4KiB: what says that it was cut needs room too')
    .prefault('512KiB')
    .describe('What of it a client gets at once; the rest is kept for a while, in pieces: docs/sizes.md.'),
  suspected_results: z
    .enum(['mark', 'quarantine', 'record'])
    .default('mark')
    .describe(
      'Results that give the model orders: marked as untrusted data, kept back until approved, or only on record.',
    ),
  approved_results: z
    .array(z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/, 'a digest, as the audit log has it'))
    .default([])
    .describe('Digests of quarantined results that the operator has read and lets through.'),
};
