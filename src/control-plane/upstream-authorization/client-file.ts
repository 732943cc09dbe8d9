import { z } from 'zod';
import { readText } from '../config/load.ts';
import { configError } from '../config/problem.ts';
import type { Registering } from './registration.ts';

/** What an issuer has given out to its operator, in the words of RFC 7591 §2 and §3.2.1. */
const file = z.union([
  z.strictObject({ client_id: z.url({ protocol: /^https$/ }) }),
  z.strictObject({
    issuer: z.url(),
    client_id: z.string().min(1),
    client_secret: z.string().min(1).optional(),
    private_key: z.record(z.string(), z.unknown()).optional(),
  }),
]);

/**
 * What issuers know us by: a JSON file with the URL of our client id metadata document, or a client that one issuer knows.
 * @throws ConfigError
 */
export function readClient(path: string): Partial<Pick<Registering, 'preRegistered' | 'document'>> {
  const text = readText(path, 'a JSON file is needed');
  const parsed = file.safeParse(tryParse(text));
  const mend = 'it is {"client_id": "https://…"} or {"issuer", "client_id", "client_secret" or "private_key"}';
  if (!parsed.success) throw configError(path, 'it does not say what a client is', mend);
  if (!('issuer' in parsed.data)) return { document: parsed.data.client_id };
  const { issuer, client_id: id, client_secret: secret, private_key: key } = parsed.data;
  const shown = { ...(secret !== undefined && { secret }), ...(key !== undefined && { key: JSON.stringify(key) }) };
  return { preRegistered: { issuer, id, ...shown } };
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
