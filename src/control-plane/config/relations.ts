import { z } from 'zod';
import { duration } from './units.ts';

const template = z
  .string()
  .max(256)
  .refine((text) => text.split('{id}').length === 2, 'a name has {id} in it, once, such as team/{id}');

/** Where zone 0 finds who is in which groups, beside what tokens and `*.tuples` say. */
export const relations = z
  .strictObject({
    openfga: z.strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .describe('Its HTTP API: https, or http on a loopback address. A name has a public address.'),
      store: z.string().regex(/^[0-9A-Z]{26}$/, 'a store is 26 characters 0-9 and A-Z'),
      token_file: z.string().optional().describe('A file with the preshared key, which only this user may read.'),
      users: z.record(z.string(), template).describe('Type → whose name as `User`: `user: "{id}"`.'),
      groups: z
        .record(z.string().regex(/^[^:#@\s]{1,254}#[^:#@\s]{1,50}$/, 'a relation is TYPE#RELATION'), template)
        .describe('`TYPE#RELATION` → name of the `Group` of those who have it: `"team#member": "team/{id}"`.'),
      away: duration
        .prefault('10m')
        .describe('How long what was read last counts while the store is away; then nobody is in its groups.'),
    }),
  })
  .optional()
  .describe('Who is in which groups, as a store of relationship tuples says: docs/policies.md.');

export type OpenFgaSettings = NonNullable<z.output<typeof relations>>['openfga'];
