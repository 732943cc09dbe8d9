import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import type { Approver, Facts, PolicyEngine, Question, Verdict } from '../../../contract/policy-engine.ts';
import { resourceUid } from '../../../contract/resource-mapping.ts';
import type { ActionType } from '../host/actions.ts';
import { ExactCache } from '../host/cache.ts';
import { type ComparedArgument, findNotCanonical } from '../host/compared.ts';
import { faultOf } from '../host/facts.ts';
import { OpaAway, type Said } from './client.ts';
import { inputOf, openInputOf } from './input.ts';
import { DECISION, KINDS, type Kind } from './module.ts';

/** Answers of lists that are kept, and the longest question among them in UTF-16 code units. */
const KEPT = { entries: 4096, key: 4096 };

/** What an engine decides by. */
export interface Loaded {
  readonly actions: ReadonlyMap<string, ActionType>;
  /** The arguments that have to be canonical in a question. */
  readonly compared: (input: JsonObject) => readonly ComparedArgument[];
  /** Where in the files the policies are that OPA names. */
  readonly ids: ReadonlyMap<string, string>;
  /** The module's package, as parts of a path. */
  readonly own: readonly string[];
  /** A policy's name that partial evaluation always leaves open. */
  readonly mark: string;
  /** Asks the OPA that has the module. @throws OpaAway */
  readonly ask: (path: string, question: Json, isThere: (said: Said) => boolean) => Promise<Said>;
  /** Is told when OPA ceases to answer as it should (why), and when it does so again. */
  readonly tell: (why: string | undefined) => void;
}

/** The names of policies of each kind that hold. */
type Held = Readonly<Record<Kind, readonly string[]>>;

/** An engine over policies that an OPA holds. Whatever goes wrong there, or in between, is a denial. */
export function opaEngine(loaded: Loaded): PolicyEngine {
  const { actions, compared, own, mark } = loaded;
  const seen = new ExactCache<boolean>(KEPT.entries, KEPT.key);

  /** @throws OpaAway; Error where a policy failed */
  const ask = async (path: string, question: Json, isThere: (result: Json) => boolean): Promise<Json | undefined> => {
    const { status, body } = await loaded.ask(path, question, (said) => said.status !== 200 || isThere(resultOf(said)));
    if (status === 500 && isObject(body) && body.code === 'internal_error')
      throw new Error(`a policy failed: ${reasonOf(body)}`);
    if (status !== 200) throw new OpaAway(`it answers ${status}: ${reasonOf(body)}`);
    return isObject(body) ? body.result : undefined;
  };

  const decide = async (question: Question): Promise<Verdict> => {
    const action = actions.get(question.action);
    if (!action) return denied(`no pinned server has the action ${question.action}`);
    const fault = faultOf(question.context);
    if (fault) return denied(fault);
    const { type } = resourceUid(question.tenant, question.resource);
    if (type !== action.resource) return denied(`${question.action} is about a ${action.resource}, not a ${type}`);
    const args: JsonObject = isObject(question.arguments) ? question.arguments : {};
    const input = inputOf(question, action);
    const notCanonical = findNotCanonical(compared(input), args);
    if (notCanonical) return { ...denied(`not canonical: ${notCanonical}`), notCanonical };
    const path = ['', 'v1', ...own, DECISION].join('/');
    const result = await ask(`${path}?strict-builtin-errors=true`, { input }, (given) => given !== null);
    return verdictOf(heldOf(result, loaded), loaded);
  };

  /** Whether the set may have, or must have, a member. Partial evaluation leaves what depends on the unknown. */
  const residual = async (kind: Kind, question: { input: JsonObject; unknowns: readonly string[] }) => {
    const query = `${[...own, kind].join('.')}[_]`;
    const isOurs = (way: Json) => JSON.stringify(way).includes(`"${mark}"`);
    const waysOf = (result: Json | undefined) =>
      isObject(result) && Array.isArray(result.queries) && result.queries.some(isOurs) ? result.queries : undefined;
    const asked = { query, ...question, unknowns: [...question.unknowns] };
    const ways = waysOf(await ask('/v1/compile', asked, (result) => waysOf(result) !== undefined));
    if (ways === undefined) throw new OpaAway('it does not say what is left of the policies');
    return { may: ways.some((way) => !isOurs(way) && !isImpossible(way)), must: ways.some(isCertain) };
  };

  const visible = async (facts: Facts): Promise<boolean> => {
    const action = actions.get(facts.action);
    if (!action || faultOf({ ...facts.context, ip_risk: undefined })) return false;
    const question = openInputOf(facts, action);
    const key = JSON.stringify(question);
    const kept = seen.get(key);
    if (kept !== undefined) return kept;
    const answer = (await residual('permit', question)).may && !(await residual('forbid', question)).must;
    seen.set(key, answer);
    return answer;
  };

  const guarded = <T>(work: Promise<T>, failed: (why: string) => T): Promise<T> =>
    work.then(
      (answer) => {
        loaded.tell(undefined);
        return answer;
      },
      (error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        if (error instanceof OpaAway) loaded.tell(why);
        return failed(`policy engine: OPA: ${why}`);
      },
    );
  return {
    decide: (question) => guarded(decide(question), denied),
    visible: (facts) => guarded(visible(facts), () => false),
  };
}

/** An engine for policies that must not be used. */
export function denyingEngine(why: string): PolicyEngine {
  return { decide: () => denied(why), visible: () => false };
}

function denied(detail: string): Verdict {
  return { allow: false, policies: [], detail };
}

/** `null`, which OPA never gives, where there is none. */
function resultOf({ body }: Said): Json {
  return (isObject(body) ? body.result : undefined) ?? null;
}

function reasonOf(body: Json): string {
  const errors = isObject(body) && Array.isArray(body.errors) ? body.errors : [body];
  const reasons = errors.flatMap((one) => (isObject(one) && typeof one.message === 'string' ? [one.message] : []));
  return reasons.join('; ').slice(0, 300) || 'no reason';
}

/** @throws OpaAway for what is not the four sets of names of our own policies */
function heldOf(result: Json | undefined, { ids }: Loaded): Held {
  const names = (kind: Kind): readonly string[] => {
    const list = isObject(result) ? result[kind] : undefined;
    const texts = Array.isArray(list) ? list.filter((name) => typeof name === 'string') : undefined;
    if (texts === undefined || !Array.isArray(list) || texts.length !== list.length)
      throw new OpaAway(`its answer has no set ${kind}`);
    const strange = texts.find((name) => !ids.has(name));
    if (strange !== undefined) throw new OpaAway(`it names a policy that there is not: ${strange.slice(0, 100)}`);
    return texts;
  };
  if (!isObject(result) || Object.keys(result).length !== KINDS.length) throw new OpaAway('no answer to our question');
  return {
    ...{ permit: names('permit'), forbid: names('forbid') },
    ...{ ask_caller: names('ask_caller'), ask_operator: names('ask_operator') },
  };
}

function verdictOf({ permit, forbid, ask_caller, ask_operator }: Held, { ids }: Loaded): Verdict {
  const policies = (names: readonly string[]) => names.map((name) => ids.get(name) ?? name).toSorted();
  const asked = [...ask_caller, ...ask_operator];
  const against = policies([...forbid, ...asked]);
  if (permit.length === 0 || forbid.length > 0) {
    if (against.length === 0) return denied('no permit applies (default deny)');
    return { allow: false, policies: against, detail: `forbidden by ${against.join(', ')}` };
  }
  if (asked.length > 0) {
    const ask: Approver = ask_operator.length > 0 ? 'operator' : 'caller';
    return { allow: false, policies: against, detail: `forbidden by ${against.join(', ')}`, ask };
  }
  const by = policies(permit);
  return { allow: true, policies: by, detail: `permitted by ${by.join(', ')}` };
}

/** Nothing is left open but what the member's name is. */
function isCertain(way: Json): boolean {
  return Array.isArray(way) && way.every((one) => isPlain(one) && isBinding(one.terms));
}

/** OPA leaves `not true` where it finds something false below a negation. */
function isImpossible(way: Json): boolean {
  const parts = Array.isArray(way) ? way.filter(isObject) : [];
  return parts.some(({ negated, terms }) => negated === true && isObject(terms) && terms.value === true);
}

function isPlain(one: Json): one is JsonObject {
  return isObject(one) && one.with === undefined && one.negated === undefined;
}

/** `"name" = $0`, which leaves nothing to be known. */
function isBinding(terms: Json | undefined): boolean {
  if (isObject(terms)) return terms.type === 'boolean' && terms.value === true;
  if (!Array.isArray(terms) || terms.length !== 3) return false;
  const sides = terms.slice(1).filter(isObject);
  const isEq = JSON.stringify(terms[0]).includes('"eq"');
  return isEq && sides.some(({ type }) => type === 'var') && sides.some(({ type }) => type === 'string');
}
