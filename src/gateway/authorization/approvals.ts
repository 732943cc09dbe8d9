import type { Caller } from '../../contract/caller.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';
import type { Clock } from '../../contract/clock.ts';
import { isObject, type Json } from '../../contract/json.ts';
import type { Approver } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import type { CallToConfirm, Confirmation } from '../../contract/step-up.ts';
import type { Validated } from '../../contract/tool-call.ts';
import { argumentsOf } from './question.ts';

/** Milliseconds that a call waits for an operator, and between two looks whether one has decided. */
const WAIT = 120_000;
const LOOK = 500;
/** UTF-16 units of arguments that a client shows its person; longer ones an operator reads. */
const MAX_SHOWN = 2000;
const MAX_READ = 32 * 1024;
/** Members of a call that an approval covers, or that mean nothing to its effect. */
const COVERED = new Set(['name', 'arguments', 'uri', '_meta']);

export interface ApprovalDeps {
  readonly clock: Clock;
  /** Asks zone 0 whether an operator has approved the call; at most once it says so. */
  readonly confirm: (call: CallToConfirm) => Promise<Confirmation>;
}

type Client = Pick<Caller, 'ask' | 'capabilities' | 'signal'>;

/**
 * A person approves this one call, with these arguments: whoever makes it, asked through the client, or an operator. Where the
 * client cannot ask its person, or not show all of the call, an operator is asked.
 * @returns who has approved it
 * @throws Refusal approval-call: refused, or nobody has decided in time; overload
 */
export async function approval(deps: ApprovalDeps, call: Validated, client: Client, who: Approver): Promise<string> {
  const asked = toApprove(call);
  const canAsk = client.ask !== undefined && isObject(client.capabilities.elicitation);
  if (who === 'caller' && canAsk && asked.arguments.length <= MAX_SHOWN) return byCaller(asked, client);
  return byOperator(deps, asked, client);
}

async function byCaller({ server, tool, arguments: args }: CallToConfirm, { ask }: Client): Promise<string> {
  const answer = await ask?.({
    method: 'elicitation/create',
    params: JSON.stringify({
      mode: 'form',
      message: `The gateway wants your approval of one call: ${tool} of ${server} with ${args}`,
      requestedSchema: {
        type: 'object',
        properties: { approve: { type: 'boolean', title: 'Allow this one call' } },
        required: ['approve'],
      },
    }),
  });
  const said: Json = answer?.kind === 'result' ? JSON.parse(answer.raw) : null;
  const approved =
    isObject(said) && said.action === 'accept' && isObject(said.content) && said.content.approve === true;
  if (!approved) throw new Refusal('approval-call', 'the caller has not approved it');
  return 'caller';
}

async function byOperator({ clock, confirm }: ApprovalDeps, asked: CallToConfirm, { signal }: Client): Promise<string> {
  const until = clock.now() + WAIT;
  for (;;) {
    const answer = await confirm({ ...asked, approver: 'operator' });
    if (answer.kind === 'confirmed') return `operator:${answer.id}`;
    if (answer.kind === 'full') throw new Refusal('overload', 'too many calls wait for approval');
    const { id } = answer;
    if (answer.kind === 'refused') throw new Refusal('approval-call', `an operator has refused ${id}`, { id });
    if (signal.aborted) throw new Refusal('approval-call', `nobody waits for ${id} any more`, { id });
    if (clock.now() >= until) throw new Refusal('approval-call', `waits for an operator as ${id}`, { id });
    await new Promise<void>((resolve) => clock.setTimer(resolve, LOOK));
  }
}

function toApprove({ subject, target, params }: Validated): CallToConfirm {
  const beyond = Object.keys(target.params).filter((name) => !COVERED.has(name));
  if (beyond.length > 0) throw new Refusal('approval-call', `no approval would show ${beyond.join(', ')}`);
  const member = findMember(readObject(params.raw).members, 'arguments');
  const shown =
    member === undefined ? JSON.stringify(argumentsOf(target, params) ?? {}) : canonicalJson(params.raw, member.start);
  if (shown.length > MAX_READ) throw new Refusal('approval-call', `${shown.length} characters are too many to be read`);
  return {
    subject: subject.id,
    tenant: subject.tenant,
    subjectKey: subject.key,
    server: target.server,
    tool: target.pin?.name ?? target.action,
    arguments: shown,
  };
}
