import { z } from 'zod';

const byteUnits = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const timeUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `256MiB` → bytes. A number without unit is refused: nobody knows what it counts. */
export const size = z
  .string({ error: 'a size needs a unit, such as 256MiB' })
  .regex(/^[1-9]\d{0,5}(B|KiB|MiB|GiB)$/, 'a size is a whole number and B, KiB, MiB or GiB, such as 256MiB')
  .transform((text) => times(text, byteUnits));

/** `30s` → milliseconds. */
export const duration = z
  .string({ error: 'a duration needs a unit, such as 30s' })
  .regex(/^[1-9]\d{0,5}(ms|s|m|h)$/, 'a duration is a whole number and ms, s, m or h, such as 30s')
  .transform((text) => times(text, timeUnits));

/** `127.0.0.1:8443`, `[::1]:0` → host and port. */
export const listen = z
  .string({ error: 'an address is HOST:PORT, such as 127.0.0.1:8443' })
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'an address is HOST:PORT, such as 127.0.0.1:8443')
  .transform((text, context) => {
    const colon = text.lastIndexOf(':');
    const port = Number(text.slice(colon + 1));
    if (port > 65_535) context.addIssue({ code: 'custom', message: 'a port is 0 (any free one) to 65535' });
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
  });

function times(text: string, units: Readonly<Record<string, number>>): number {
  const unit = text.replace(/^\d+/, '');
  return Number.parseInt(text, 10) * (units[unit] ?? Number.NaN);
}
