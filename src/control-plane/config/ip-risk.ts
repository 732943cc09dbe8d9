import { z } from 'zod';
import { parseNetwork } from '../../contract/addresses.ts';

/** What policies know of addresses. */
export const ipRisk = z
  .record(
    z.string().refine((text) => parseNetwork(text) !== undefined, 'a network is a block, such as 203.0.113.0/24'),
    z.int().min(0).max(100),
  )
  .optional()
  .describe(
    'Risk of addresses, 0–100, by network (CIDR): the smallest counts, all others have 0. Policies read it as `context.ip_risk`.',
  );
