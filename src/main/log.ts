import { redactJson } from '../gateway/output-sanitization/redact-json.ts';
import { lentValues } from './lent-values.ts';

/**
 * The zones' operational log: one JSON object a line on standard error, without secrets, whatever a server may have
 * said before it died. What happened in a call is the audit's matter.
 */
export function log(event: object): void {
  const line = lentValues.strip(JSON.stringify({ time: new Date().toISOString(), ...event }));
  process.stderr.write(`${redactJson(line).json}\n`);
}

/** A fault of our own that ends nothing. */
export function complain(error: unknown): void {
  log({ event: 'fault', error: String(error) });
}

/** A fault of our own, in a call or beside it. */
export function fault(error: unknown, incident?: string): void {
  const stack = error instanceof Error ? error.stack : undefined;
  log({ event: 'fault', ...(incident !== undefined && { incident }), error: textOf(error), stack });
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
