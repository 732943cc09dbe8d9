import type { Json } from '../../contract/json.ts';
import { LOG_LEVELS } from '../../contract/log-levels.ts';
import { Refusal } from '../../contract/refusal.ts';

/** @throws Refusal params for what is no level */
export function levelOf(value: Json | undefined): string {
  if (typeof value === 'string' && LOG_LEVELS.includes(value)) return value;
  throw new Refusal('params', 'an unknown log level');
}
