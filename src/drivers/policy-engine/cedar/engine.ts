import { type Response, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { isObject, type JsonObject } from '../../../contract/json.ts';
import type { Facts, PromptEngine, Question, Verdict } from '../../../contract/policy-engine.ts';
import { type ActionType, membersOf } from '../host/actions.ts';
import { ExactCache } from '../host/cache.ts';
import { findNotCanonical } from '../host/compared.ts';
import { faultOf } from '../host/facts.ts';
import { partiesOf, placed, resourceOf } from './parties.ts';
import { PolicySets } from './policy-sets.ts';
import type { Relations } from './relations.ts';
import { type Request, requestOf } from './request.ts';
import { type Slice, slicer } from './slices.ts';
import type { ParsedPolicy } from './sources.ts';
import { typedArguments } from './typed-arguments.ts';

/** Stands where lists know nothing; what they are answered by does not read it. */
const UNKNOWN = { ip_risk: 0, session: { reads: [], writes: [], calls: {}, approved: [] } };
/** How many answers are kept, and the longest question among them in UTF-16 code units. */
export interface CacheSize {
  readonly entries: number;
  readonly key: number;
}

/** What an engine decides by. */
export interface Loaded {
  readonly policies: readonly ParsedPolicy[];
  readonly actions: ReadonlyMap<string, ActionType>;
  /** Names of the facts that there are in the context. */
  readonly facts: readonly string[];
  readonly relations: Relations;
}

/** An engine over parsed policies. Whatever goes wrong in it is a denial. */
export function cedarEngine(loaded: Loaded, cache: CacheSize): PromptEngine {
  const { policies, actions, facts } = loaded;
  const known = { facts, actions: [...actions.keys()] };
  const topicOf = slicer(policies, membersOf(actions), new PolicySets(), known);
  const verdicts = new ExactCache<Verdict>(cache.entries, cache.key);
  const seen = new ExactCache<boolean>(cache.entries, cache.key);

  const decide = (question: Question): Verdict => {
    const action = actions.get(question.action);
    if (!action) return denied(`no pinned server has the action ${question.action}`);
    const fault = faultOf(question.context);
    if (fault) return denied(fault);
    const resource = resourceOf(question);
    const { type } = resource.uid;
    if (type !== action.resource) return denied(`${question.action} is about a ${action.resource}, not a ${type}`);
    const parties = partiesOf(loaded, question, resource);
    const topic = topicOf(question.action, parties.resource);
    const slice = topic.sliceOf(parties.principal);
    if (!slice.permits) return denied('no permit is about this principal, action and resource (default deny)');
    const args: JsonObject = isObject(question.arguments) ? question.arguments : {};
    const notCanonical = findNotCanonical(topic.compared, args);
    if (notCanonical) return { ...denied(`not canonical: ${notCanonical}`), notCanonical };
    const { record, leftOut } = typedArguments(args, action.args, topic.wanted);
    const unseen = leftOut.find((path) => topic.args.some((read) => overlap(path, read)));
    if (unseen) return denied(`a policy reads the argument ${unseen.join('.')}, which Cedar cannot type`);
    const request = requestOf(question, parties, slice.reads, record);
    const key = keyOf(slice, request);
    const kept = verdicts.get(key);
    if (kept) return kept;
    const answer = ask(request, slice.decide);
    if (typeof answer === 'string') return denied(answer);
    const verdict = lifted(answer, slice, request);
    verdicts.set(key, verdict);
    return verdict;
  };

  const visible = (facts: Facts): boolean => {
    const action = actions.get(facts.action);
    if (!action || faultOf(facts.context)) return false;
    const unknown = action.resource === 'Tenant' ? undefined : { type: action.resource, tenant: facts.tenant };
    const parties = partiesOf(loaded, facts, placed({ type: action.resource, id: unknown ? '' : facts.tenant }));
    const slice = topicOf(facts.action, unknown ?? parties.resource).sliceOf(parties.principal);
    if (!slice.permits) return false;
    const request = requestOf({ ...facts, context: { ...facts.context, ...UNKNOWN } }, parties, slice.reads, {});
    const key = keyOf(slice, request);
    const kept = seen.get(key);
    if (kept !== undefined) return kept;
    const answer = ask(request, slice.visible);
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
export function denyingEngine(why: string): PromptEngine {
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

/** A denial that a person may lift says so, where without it the answer would be yes. */
function lifted(given: Response, slice: Slice, request: Request): Verdict {
  const verdict = verdictOf(given);
  const failed = given.diagnostics.errors.length > 0;
  const who = verdict.allow || failed ? undefined : slice.askedBy(verdict.policies);
  if (who === undefined) return verdict;
  const answer = ask(request, slice.asked);
  const otherwise = typeof answer === 'string' ? denied(answer) : verdictOf(answer);
  return otherwise.allow ? { ...verdict, ask: who } : otherwise;
}

function overlap(a: readonly string[], b: readonly string[]): boolean {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** Everything that the answer can depend on, unambiguously. */
function keyOf(slice: Slice, request: Request): string {
  return `${slice.id} ${JSON.stringify(request)}`;
}

/** One question to Cedar; a string is what went wrong. */
function ask(request: Request, preparsedPolicySetId: string): Response | string {
  const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId });
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
