import { z } from 'zod';
import { LINK_SILENCE } from '../../contract/control-link.ts';
import { duration, listen } from './units.ts';

/** Zone 0's side of a fleet. */
export const control = z
  .strictObject({
    gateways: z
      .record(
        z
          .string()
          .regex(
            /^(?!local$)[a-z][a-z0-9-]{0,31}$/,
            'a gateway is a-z, 0-9 and hyphens, from a letter on, and not local',
          ),
        listen.refine(({ port }) => port > 0, 'a gateway is dialled at one port'),
      )
      .default({})
      .describe(
        'The gateways of `innerkeep control`, by name: HOST:PORT where it dials each of them. Absent: `innerkeep up`.',
      ),
    away: duration
      // Below it, a connection that is only slow would count as zone 0's absence.
      .refine((ms) => ms >= LINK_SILENCE, 'at least 10s')
      .prefault('1h')
      .describe('How long gateways go on by their last bundle while zone 0 is silent; then they serve nothing.'),
  })
  .prefault({})
  .describe('How zone 0 reaches gateways on other machines: docs/fleet.md.');
