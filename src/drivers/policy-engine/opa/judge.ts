import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { type ActionType, membersOf } from '../host/actions.ts';
import { suggestion } from '../host/problems.ts';
import { callOf, nodes, operatorOf, type Rule, refOf } from './ast.ts';
import { FUNCTIONS } from './builtins.ts';
import { DECISION, KINDS, type Module } from './module.ts';
import { inputOf, strangeness } from './names.ts';
import { type Scope, scopesOf, unconstrained } from './scopes.ts';

const FORM = 'write `permit contains "NAME" if { … }` (or forbid, ask_caller, ask_operator)';

/** Operators of Rego are functions with names; a rule of the same name would take their place. */
const TAKEN: ReadonlySet<string> = new Set(['input', 'data', 'internal', ...FUNCTIONS]);

/**
 * What the policies must not be, as OPA's compiler has read them: rules that are no policies, wildcards, functions that reach
 * out, other documents than the question, names that nothing has.
 * @param own path of the module's package, `data` first
 */
export function judge(
  rules: readonly Rule[],
  module: Module,
  own: readonly string[],
  world: PolicyWorld,
  actions: ReadonlyMap<string, ActionType>,
): readonly PolicyProblem[] {
  const tree = inputOf(world, actions);
  const problems: PolicyProblem[] = [];
  const names = new Set<string>();
  const known = { actions: [...actions.keys()], groups: membersOf(actions) };
  for (const rule of rules) {
    const place = module.find(rule.name, rule.member);
    const report = (message: string, mend: string) => problems.push({ ...place, severity: 'error', message, mend });
    const isPolicy = (KINDS as readonly string[]).includes(rule.name);
    if (rule.name === DECISION) report('a rule with the name decision', 'give it another name: this one is ours');
    if (TAKEN.has(rule.name)) report(`a rule with the name ${rule.name}`, 'give it another name: this one is OPA’s');
    if (isPolicy && !rule.member) report(`a ${rule.name} that is no set of constant names`, FORM);
    if (rule.member && names.has(rule.member)) report(`two policies are named ${rule.member}`, 'rename one of them');
    if (rule.member) names.add(rule.member);
    reachesOut(rule, own, report);
    for (const node of nodes(rule.whole)) {
      const ref = node.type === 'ref' ? refOf(node) : undefined;
      const strange = ref?.[0] === 'input' ? strangeness(tree, ref.slice(1)) : undefined;
      if (strange === undefined) continue;
      const near = suggestion(strange.name, strange.known);
      report(strange.message, near === undefined ? `there are ${strange.known.join(', ')}` : `did you mean ${near}?`);
    }
    if (hasBare(rule, 'input')) report('input is read as a whole', 'name the parts that the policy asks for');
    const scopes = scopesOf(rule);
    unknownActions(scopes, known, report);
    if (rule.name === 'permit') wildcard(scopes, known, report);
  }
  return problems;
}

interface Known {
  readonly actions: readonly string[];
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

type Report = (message: string, mend: string) => void;

function wildcard(scopes: readonly Scope[], { actions, groups }: Known, report: Report): void {
  const part = unconstrained(scopes);
  const example = {
    principal: '`input.principal.tenant == "…"`',
    action: '`input.action == "server/tool"`',
    resource: '`input.resource.tenant == "…"`',
  };
  if (part !== undefined)
    report(
      `permit with its ${part} unconstrained`,
      `compare it with a text in the permit's own body: ${example[part]}`,
    );
  const covers = (scope: Scope) => {
    const named = new Set(scope.texts.flatMap((name) => [name, ...(groups.get(name) ?? [])]));
    return actions.every((name) => named.has(name));
  };
  const asked = scopes.filter((scope) => scope.part === 'action');
  if (asked.length > 0 && actions.length > 0 && asked.every(covers))
    report('permit with its action naming every action', 'name those that it is about');
}

/** A policy about what does not exist would do nothing. */
function unknownActions(scopes: readonly Scope[], { actions, groups }: Known, report: Report): void {
  for (const { of, texts, part } of scopes) {
    if (part !== 'action') continue;
    const known = of === 'input.action' ? actions : [...groups.keys()];
    for (const name of texts.filter((text) => !known.includes(text))) {
      const near = suggestion(name, known);
      report(`no pinned server has ${name}`, near === undefined ? 'name one that there is' : `did you mean ${near}?`);
    }
  }
}

/** Nothing but the question and the module's own rules may decide. */
function reachesOut({ whole }: Rule, own: readonly string[], report: Report): void {
  for (const node of nodes(whole)) {
    const called =
      callOf(node)?.operator ??
      (node.type === 'call' && Array.isArray(node.value) ? operatorOf(node.value[0]) : undefined);
    const isOwn = called?.startsWith(`${own.join('.')}.`) ?? false;
    if (called !== undefined && !isOwn && !FUNCTIONS.has(called))
      report(`the function ${called}`, 'policies may only compute: docs/policies.md names what they can call');
    if (Array.isArray(node.with)) report('a `with`', 'ask the question itself: a policy judges no other one');
    const ref = node.type === 'ref' ? refOf(node) : undefined;
    if (ref?.[0] === 'data' && !own.every((name, place) => ref[place] === name))
      report('a document beside the question', 'there is no data but the question: let groups come with tokens');
    if (ref?.[0] === 'data' && ref.length === own.length) report('the package as a whole', 'name the rule');
    if (ref?.[0] === 'data' && ref.length > own.length && ref[own.length] === undefined)
      report('a rule by a name that is not written there', 'name the rule');
  }
}

/** A variable that is the document itself, not the beginning of a reference. */
function hasBare({ whole }: Rule, name: string): boolean {
  const heads = new Set<unknown>();
  for (const node of nodes(whole)) if (node.type === 'ref' && Array.isArray(node.value)) heads.add(node.value[0]);
  for (const node of nodes(whole)) if (node.type === 'var' && node.value === name && !heads.has(node)) return true;
  return false;
}
