import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';

/** RFC 5424 §6.2.1, as MCP names them; the least severe first. */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** @throws Refusal params for what is no level */
export function levelOf(value: Json | undefined): string {
  if (typeof value === 'string' && LEVELS.includes(value)) return value;
  throw new Refusal('params', 'an unknown log level');
}
