import { z } from 'zod';
import { version } from '../policy-registry/registry.ts';

/** What `GET /admin/history` answers: what was signed, oldest first, and what each gateway serves by. */
export const historyAnswer = z.strictObject({
  versions: z.array(version).readonly(),
  gateways: z
    .array(
      z.strictObject({
        name: z.string(),
        connected: z.boolean(),
        bundle: z.int().min(0),
        /** What somebody should look at now. */
        alerts: z.array(z.string()).readonly().exactOptional(),
      }),
    )
    .readonly(),
});

export type HistoryAnswer = z.output<typeof historyAnswer>;

/** What `GET /admin/diff?from=N&to=M` answers. */
export const diffAnswer = z.strictObject({
  changes: z.array(z.strictObject({ what: z.string(), before: z.string(), after: z.string() })).readonly(),
});

export type DiffAnswer = z.output<typeof diffAnswer>;
