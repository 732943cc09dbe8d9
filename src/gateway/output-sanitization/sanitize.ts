import { Refusal } from '../../contract/refusal.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';
import { type Executed, Sanitized } from '../../contract/tool-call.ts';
import { redactJson } from './redact-json.ts';

export interface SanitizeDeps {
  /** Turns the server's own names into those that the caller knows; raw JSON to raw JSON. */
  readonly outbound: (call: Executed, raw: string) => string;
  /** Bytes of one result of that server. */
  readonly maxResult: (server: string) => number;
}

/**
 * The stage that every answer of a server passes (checklist `output.secrets`, `output.size`): within its size, JSON
 * that nobody can read differently, no secret in any carrier: text, structured content, resources, prompts, metadata,
 * texts of tool errors.
 * @throws Refusal `size`, `upstream`
 */
export function sanitizeStage(deps: SanitizeDeps): (call: Executed) => Sanitized {
  return (call) => {
    const { server } = call.target;
    const limit = deps.maxResult(server);
    if (call.result.length > limit) throw new Refusal('size', `${server}: ${call.result.length} bytes, above ${limit}`);
    const raw = parse(server, call.result);
    const { json, findings } = redactJson(raw);
    // Two keys may have become one, by design of the server.
    if (json !== raw) parse(server, Buffer.from(json, 'utf8'));
    // Names last: a server's cursor goes out inside of ours, where no filter would look.
    return new Sanitized(call, deps.outbound(call, json), json === raw ? undefined : findings);
  };
}

function parse(server: string, bytes: Uint8Array): string {
  try {
    return parseStrict(bytes).text;
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw new Refusal('upstream', `${server}: result refused: ${error.message}`);
  }
}
