import { type CedarValueJson, type Response, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { isObject, type JsonObject } from '../../../contract/json.ts';
import type { PolicyEngine, Question, RequestFacts, Verdict } from '../../../contract/policy-engine.ts';
import type { ActionType } from './actions.ts';
import { ExactCache } from './cache.ts';
import { findNotCanonical } from './compared-arguments.ts';
import { PolicySets } from './policy-sets.ts';
import { type Slice, slicer } from './slices.ts';
import type { ParsedPolicy } from './sources.ts';
import { typedArguments } from './typed-arguments.ts';

type Facts = Omit<Question, 'arguments'>;

/** How many answers are kept, and the longest question among them in UTF-16 code units. */
export interface CacheSize {
  readonly entries: number;
  readonly key: number;
}

/** An engine over parsed policies. Whatever goes wrong in it is a denial. */
export function cedarEngine(
  policies: readonly ParsedPolicy[],
  actions: ReadonlyMap<string, ActionType>,
  cache: CacheSize,
): PolicyEngine {
  const sets = new PolicySets();
  const sliceOf = slicer(policies, sets);
  const verdicts = new ExactCache<Verdict>(cache.entries, cache.key);
  const seen = new ExactCache<boolean>(cache.entries, cache.key);

  const decide = (question: Question): Verdict => {
    const action = actions.get(question.action);
    if (!action) return denied(`no pinned server has the action ${question.action}`);
    const fault = faultOf(question.context);
    if (fault) return denied(fault);
    const slice = sliceOf(question.action, question.tenant);
    if (!slice.permits) return denied('no permit is about this action in this tenant (default deny)');
    const args: JsonObject = isObject(question.arguments) ? question.arguments : {};
    const notCanonical = findNotCanonical(slice.compared, args);
    if (notCanonical) return { ...denied(`not canonical: ${notCanonical}`), notCanonical };
    const { record, leftOut } = typedArguments(args, action.args, slice.wanted);
    const unseen = leftOut.find((path) => slice.read.some((read) => overlap(path, read)));
    if (unseen) return denied(`a policy reads the argument ${unseen.join('.')}, which Cedar cannot type`);
    const key = keyOf(question, slice, record);
    const known = verdicts.get(key);
    if (known) return known;
    const answer = ask(question, record, slice.decide);
    if (typeof answer === 'string') return denied(answer);
    const verdict = verdictOf(answer);
    verdicts.set(key, verdict);
    return verdict;
  };

  const visible = (facts: Facts): boolean => {
    if (!actions.has(facts.action) || faultOf(facts.context)) return false;
    const slice = sliceOf(facts.action, facts.tenant);
    if (!slice.permits) return false;
    const key = keyOf(facts, slice, {});
    const known = seen.get(key);
    if (known !== undefined) return known;
    const answer = ask(facts, {}, slice.visible);
    if (typeof answer === 'string') return false;
    const allowed =
      answer.decision === 'allow' && !answer.diagnostics.errors.some(({ policyId }) => slice.exact.has(policyId));
    seen.set(key, allowed);
    return allowed;
  };

  return {
    decide: (question) =>
      guarded(
        () => decide(question),
        (error) => denied(`policy engine: ${error}`),
      ),
    visible: (facts) =>
      guarded(
        () => visible(facts),
        () => false,
      ),
  };
}

/** An engine for policies that must not be used. */
export function denyingEngine(why: string): PolicyEngine {
  return { decide: () => denied(why), visible: () => false };
}

function guarded<T>(run: () => T, failed: (error: string) => T): T {
  try {
    return run();
  } catch (error) {
    return failed(String(error));
  }
}

function denied(detail: string): Verdict {
  return { allow: false, policies: [], detail };
}

/** Facts that JSON or Cedar would write as something else must not become another question. */
function faultOf({ hour, mfa_age_s }: RequestFacts): string | undefined {
  if (!Number.isInteger(hour) || hour < 0 || hour > 23) return 'the hour is not known';
  if (mfa_age_s !== undefined && !(Number.isSafeInteger(mfa_age_s) && mfa_age_s >= 0))
    return 'the age of the second factor is no whole number';
  return undefined;
}

function overlap(a: readonly string[], b: readonly string[]): boolean {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** Everything that the answer can depend on, unambiguously. */
function keyOf(
  { subject, action, tenant, context }: Facts,
  slice: Slice,
  record: Record<string, CedarValueJson>,
): string {
  const { kind, id, groups, acr } = subject;
  const hour = slice.hour ? context.hour : null;
  return JSON.stringify([
    action,
    tenant,
    kind,
    id,
    subject.tenant,
    groups,
    acr ?? null,
    hour,
    slice.mfaAge ? context.mfa_age_s : null,
    record,
  ]);
}

/** One question to Cedar; a string is what went wrong. */
function ask(
  { subject, action, tenant, context }: Facts,
  args: Record<string, CedarValueJson>,
  preparsedPolicySetId: string,
): Response | string {
  const principal = { type: subject.kind, id: subject.id };
  const attrs: Record<string, CedarValueJson> = { tenant: subject.tenant, groups: [...subject.groups] };
  if (subject.acr !== undefined) attrs.acr = subject.acr;
  const facts: Record<string, CedarValueJson> = { args, hour: context.hour };
  if (context.mfa_age_s !== undefined) facts.mfa_age_s = context.mfa_age_s;
  const answer = statefulIsAuthorized({
    principal,
    action: { type: 'Action', id: action },
    resource: { type: 'Tenant', id: tenant },
    context: facts,
    preparsedPolicySetId,
    // Parents need no entities of their own: they have neither attributes nor parents.
    entities: [
      {
        uid: principal,
        attrs,
        parents: [{ type: 'Tenant', id: subject.tenant }, ...subject.groups.map((id) => ({ type: 'Group', id }))],
      },
    ],
  });
  if (answer.type === 'failure') return `policy engine: ${answer.errors.map(({ message }) => message).join('; ')}`;
  return answer.response;
}

function verdictOf({ decision, diagnostics }: Response): Verdict {
  const { reason } = diagnostics;
  // Cedar gives both in any order.
  const errors = diagnostics.errors.toSorted((a, b) => (a.policyId < b.policyId ? -1 : 1));
  // Cedar skips a policy that fails, a forbid too; here a policy that fails denies.
  if (errors.length > 0) {
    const detail = errors.map(({ policyId, error }) => `${policyId}: ${error.message}`).join('; ');
    return { allow: false, policies: errors.map(({ policyId }) => policyId), detail: `a policy failed: ${detail}` };
  }
  const policies = reason.toSorted();
  if (decision === 'allow') return { allow: true, policies, detail: `permitted by ${policies.join(', ')}` };
  if (policies.length > 0) return { allow: false, policies, detail: `forbidden by ${policies.join(', ')}` };
  return denied('no permit applies (default deny)');
}
