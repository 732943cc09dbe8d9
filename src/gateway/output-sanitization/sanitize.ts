import type { CallerSession } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import { appendMembers, readObject, splice } from '../../contract/splice.ts';
import { MalformedJson, parseUnfrozen } from '../../contract/strict-json.ts';
import { Sanitized, type Screened } from '../../contract/tool-call.ts';
import { redactJson } from './redact-json.ts';

export interface SanitizeDeps {
  /** Turns the server's own names into those that the caller knows; raw JSON to raw JSON. */
  readonly outbound: (call: Screened, raw: string) => string;
  /** Cuts what is too large for one answer; filtered before. @throws Refusal size, rate */
  readonly fit: (call: Screened, whole: string, session: CallerSession | undefined) => Fitted;
}

interface Fitted {
  readonly result: string;
  /** Bytes that were cut off. */
  readonly cut: number | undefined;
}

/**
 * The stage that every answer of a server passes (checklist `output.secrets`, `output.size`): no secret in any carrier (text, structured content, resources, prompts, metadata, texts of tool
 * errors), and then within its size, so that nothing that is cut off is unfiltered.
 * @throws Refusal `size`, `rate`, `upstream`
 */
export function sanitizeStage(deps: SanitizeDeps): (call: Screened, session: CallerSession | undefined) => Sanitized {
  return (call, session) => {
    const { server } = call.target;
    const { result, continuation } = call;
    const { json, findings } = redactJson(result);
    // Two keys may have become one, by design of the server.
    if (json !== result) checkAgain(server, json);
    // Names last: a server's cursor goes out inside of ours, where no filter would look.
    const named = deps.outbound(call, json);
    const { result: fitted, cut } = deps.fit(call, named, session);
    const whole = continuation === undefined ? fitted : withState(fitted, continuation);
    return new Sanitized(call, whole, json === result ? undefined : findings, cut);
  };
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
