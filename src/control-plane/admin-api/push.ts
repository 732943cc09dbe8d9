import { z } from 'zod';
import { rehearsal } from '../gateways/rehearsal.ts';

/** What became of `POST /admin/push`. */
export const pushAnswer = z.strictObject({
  changed: z.boolean(),
  /** Version of the bundle that is in force now. */
  bundle: z.number().int(),
  /** Of a dry run: whose answers it would change. `changed` is then whether there is anything to push. */
  rehearsal: rehearsal.optional(),
  /** Why what is in force stays; HTTP 422. */
  refused: z
    .strictObject({
      /** 1: a policy that `policy lint` refuses; 2: configuration; 3: safety. */
      exit: z.literal([1, 2, 3]),
      message: z.string(),
      problems: z
        .array(
          z.strictObject({
            file: z.string(),
            line: z.number().int(),
            column: z.number().int(),
            key: z.string(),
            message: z.string(),
            mend: z.string().optional(),
          }),
        )
        .readonly(),
    })
    .optional(),
});

export type PushAnswer = z.output<typeof pushAnswer>;
