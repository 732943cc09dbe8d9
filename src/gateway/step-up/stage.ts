import type { GatewayServer } from '../../contract/bundle.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';
import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import { type CallToConfirm, type Confirmation, takesUrls } from '../../contract/step-up.ts';
import { type Authorized, Confirmed } from '../../contract/tool-call.ts';
import type { OnceStates } from './once-states.ts';

/** UTF-16 units of canonical arguments: what nobody would read to its end is not confirmed by anybody. */
const MAX_SHOWN = 32 * 1024;
/** Members of a call that a confirmation covers, or that mean nothing to its effect. */
const COVERED = new Set(['name', 'arguments', '_meta', 'requestState', 'inputResponses']);

export interface StepUpDeps {
  readonly servers: readonly GatewayServer[];
  /** Asks zone 0, which shows the call to a person; at most once it says that a call is confirmed. */
  readonly confirm: (call: CallToConfirm) => Promise<Confirmation>;
  /** Whether a client's `requestState` is one that this very call was answered with, by a leg that ran. */
  readonly continues: (call: Authorized, state: string) => boolean;
  readonly once: OnceStates;
}

/**
 * Tools with `step_up: mfa`: a person confirms this one call with a passkey. Nothing that the token says counts for it.
 * A call that goes on (input was asked for in its course) is the same call, once for each state that it was given.
 * Refuses as `step-up-url` where the client can lead a person to an address (MCP, URL mode elicitation), else `step-up`.
 */
export function stepUpStage(deps: StepUpDeps): (call: Authorized, capabilities: JsonObject) => Promise<Confirmed> {
  const servers = new Map(deps.servers.map((server) => [server.pins.name, server]));
  return async (call, capabilities) => {
    const { method, pin, server } = call.target;
    const tools = servers.get(server)?.tools ?? {};
    const tool = method === 'tools/call' && pin !== undefined && Object.hasOwn(tools, pin.name) ? pin.name : undefined;
    // Of a dry run, the call that it is for has been confirmed.
    const wants = tool !== undefined && tools[tool]?.step_up !== undefined && !call.frame.isDryRun;
    return new Confirmed(call, wants ? await confirmation(deps, call, tool, capabilities) : undefined);
  };
}

/** The id of the confirmation that this call uses up; undefined: it is a confirmed one that goes on. */
async function confirmation(
  { confirm, continues, once }: StepUpDeps,
  call: Authorized,
  tool: string,
  capabilities: JsonObject,
): Promise<string | undefined> {
  const { requestState } = call.target.params;
  const goesOn = typeof requestState === 'string' && continues(call, requestState) && (await once.take(requestState));
  if (goesOn) return undefined;
  const answer = await confirm(toConfirm(call, tool));
  if (answer.kind === 'confirmed') return answer.id;
  if (answer.kind === 'full') throw new Refusal('overload', 'too many calls wait to be confirmed');
  if (answer.kind === 'refused') throw new Refusal('step-up', `${answer.id} was refused`);
  const { id, url } = answer;
  const code = takesUrls(call.frame, capabilities) ? 'step-up-url' : 'step-up';
  throw new Refusal(code, `waits to be confirmed as ${id}`, { id, url });
}

function toConfirm({ subject, target, params }: Authorized, tool: string): CallToConfirm {
  if (subject.kind !== 'User') throw new Refusal('step-up', 'a workload has no passkey');
  const beyond = Object.keys(target.params).filter((name) => !COVERED.has(name));
  if (beyond.length > 0) throw new Refusal('step-up', 'has members that no confirmation would show');
  if (target.params.requestState === undefined && target.params.inputResponses !== undefined)
    throw new Refusal('step-up', 'has input that nobody asked for, and no confirmation would show');
  const member = findMember(readObject(params.raw).members, 'arguments');
  const shown = member === undefined ? '{}' : canonicalJson(params.raw, member.start);
  if (shown.length > MAX_SHOWN) throw new Refusal('step-up', `${shown.length} characters are too many to be confirmed`);
  return {
    subject: subject.id,
    tenant: subject.tenant,
    subjectKey: subject.key,
    server: target.server,
    tool,
    arguments: shown,
  };
}
