import { z } from 'zod';
import type { Rehearsal } from '../../contract/zone-link.ts';

/** As a gateway tells it, and as the operator is told. */
export const rehearsal = z.strictObject({
  considered: z.int().min(0),
  changed: z
    .array(
      z.strictObject({
        incident: z.string(),
        time: z.string(),
        subject: z.string(),
        tenant: z.string(),
        action: z.string(),
        before: z.string(),
        after: z.string(),
      }),
    )
    .readonly(),
  more: z.int().min(0),
}) satisfies z.ZodType<Rehearsal>;
