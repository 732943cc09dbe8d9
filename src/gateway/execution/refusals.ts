import { isObject, type Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RuntimeFailure } from '../../contract/runtime-link.ts';
import { knownCapabilities } from './capabilities.ts';

const MAX_DETAIL = 4096;
const RESOURCE_NOT_FOUND = -32002;
const MISSING_CAPABILITY = -32021;
const INVALID_PARAMS = -32602;
const failures: ReadonlySet<string> = new Set<RuntimeFailure>([
  'isolation',
  'upstream',
  'size',
  'overload',
  'state-lost',
  'changed',
]);

/**
 * What an upstream's JSON-RPC error is to the caller: its own words go to the log only.
 * @param raw has passed `parseStrict`
 * @param modern whether the client speaks 2026-07-28
 * @param uri of the resource that was asked for, as the client wrote it
 */
export function upstreamError(method: string, raw: string, modern: boolean, uri?: Json): Refusal {
  const error: Json = JSON.parse(raw);
  const { code, data } = isObject(error) ? error : {};
  const detail = `the server answered ${raw.slice(0, MAX_DETAIL)}`;
  if (code === MISSING_CAPABILITY && modern && isObject(data))
    return new Refusal('missing-capability', detail, {
      requiredCapabilities: knownCapabilities(data.requiredCapabilities),
    });
  const missing = code === RESOURCE_NOT_FOUND || (code === INVALID_PARAMS && method === 'resources/read');
  if (!missing) return new Refusal('upstream', detail);
  return new Refusal('unknown-resource', detail, uri === undefined ? undefined : { uri });
}

/** Why there is no answer. A code that this gateway does not know counts as the upstream's fault. */
export function upstreamFailure(code: RuntimeFailure, detail: string): Refusal {
  return new Refusal(failures.has(code) ? code : 'upstream', detail);
}
