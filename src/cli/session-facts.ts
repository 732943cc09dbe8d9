import { z } from 'zod';

const labels = z.array(z.string()).default([]);
/** What the session has done before. */
export const Session = z.strictObject({
  reads: labels,
  writes: labels,
  approved: labels,
  calls: z.record(z.string(), z.int().min(0)).default({}),
});
