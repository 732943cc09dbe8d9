import { Refusal } from '../../contract/refusal.ts';
import { appendMembers, readObject, splice } from '../../contract/splice.ts';
import { MalformedJson, parseUnfrozen } from '../../contract/strict-json.ts';
import { Sanitized, type Screened } from '../../contract/tool-call.ts';
import { redactJson } from './redact-json.ts';

export interface SanitizeDeps {
  /** Turns the server's own names into those that the caller knows; raw JSON to raw JSON. */
  readonly outbound: (call: Screened, raw: string) => string;
  /** Bytes of one result of that server. */
  readonly maxResult: (server: string) => number;
}

/**
 * The stage that every answer of a server passes (checklist `output.secrets`, `output.size`): within its size, no secret in any carrier: text, structured content, resources, prompts, metadata,
 * texts of tool errors.
 * @throws Refusal `size`, `upstream`
 */
export function sanitizeStage(deps: SanitizeDeps): (call: Screened) => Sanitized {
  return (call) => {
    const { server } = call.target;
    const { result, continuation } = call;
    checkSize(server, result, deps.maxResult(server));
    const { json, findings } = redactJson(result);
    // Two keys may have become one, by design of the server.
    if (json !== result) checkAgain(server, json);
    // Names last: a server's cursor goes out inside of ours, where no filter would look.
    const named = deps.outbound(call, json);
    const whole = continuation === undefined ? named : withState(named, continuation);
    return new Sanitized(call, whole, json === result ? undefined : findings);
  };
}

function checkSize(server: string, result: string, limit: number): void {
  // A UTF-16 unit takes three bytes at most, so that most results need no counting.
  if (result.length * 3 <= limit) return;
  const size = Buffer.byteLength(result, 'utf8');
  if (size > limit) throw new Refusal('size', `${server}: ${size} bytes, above ${limit}`);
}

function checkAgain(server: string, json: string): void {
  try {
    parseUnfrozen(Buffer.from(json, 'utf8'));
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw new Refusal('upstream', `${server}: result refused: ${error.message}`);
  }
}

/** Our own seal must not look like a secret to our own filter. */
function withState(result: string, sealed: string): string {
  return splice(result, [appendMembers(readObject(result), `"requestState":${JSON.stringify(sealed)}`)]);
}
