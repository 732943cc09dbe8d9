import { isObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RuntimeFailure } from '../../contract/runtime-link.ts';
import { parseStrict } from '../../contract/strict-json.ts';

const MAX_DETAIL = 4096;
const RESOURCE_NOT_FOUND = -32002;
const INVALID_PARAMS = -32602;
const failures: ReadonlySet<string> = new Set<RuntimeFailure>(['isolation', 'upstream', 'size', 'overload']);

/** What an upstream's JSON-RPC error is to the caller: its own words go to the log only. */
export function upstreamError(method: string, raw: Uint8Array): Refusal {
  const { text, value } = parseStrict(raw);
  const code = isObject(value) ? value.code : undefined;
  const missing = code === RESOURCE_NOT_FOUND || (code === INVALID_PARAMS && method === 'resources/read');
  return new Refusal(missing ? 'unknown-resource' : 'upstream', `the server answered ${text.slice(0, MAX_DETAIL)}`);
}

/** Why there is no answer. A code that this gateway does not know counts as the upstream's fault. */
export function upstreamFailure(code: RuntimeFailure, detail: string): Refusal {
  return new Refusal(failures.has(code) ? code : 'upstream', detail);
}
