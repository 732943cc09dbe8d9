import type { Policy, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { children, conditionsOf, type Expr, mentions, nodeOf, nodes, operand, TRUE } from './expressions.ts';
import { nameOf, partScope, uidOf } from './scope.ts';

/** Above this many ways for a condition to hold, it counts as one that may hold. */
const MAX_WAYS = 64;

/** Cedar reads policies in JSON down to 128 levels, two for each expression; a condition beyond counts as one that may hold. */
const MAX_DEPTH = 50;

/** A policy about the question without its arguments, and what else lists do not know. */
export interface ArgumentFree {
  readonly policy: Policy;
  /** It is the policy itself: an error in it is an error in every decision. */
  readonly exact: boolean;
}

/** A resource that only the arguments will tell: some entity of the type, in the tenant. */
export interface UnknownResource {
  readonly type: string;
  readonly tenant: string;
}

/** Could the policy be about it? A forbid counts only when it must be: what merely could forbid hides nothing. */
export function concerns(policy: PolicyJson, unknown: UnknownResource): boolean {
  return policy.effect === 'permit' ? couldBe(policy, unknown) : mustBe(policy, unknown);
}

function couldBe({ resource }: PolicyJson, { type, tenant }: UnknownResource): boolean {
  const scope = partScope(resource);
  if (scope.type !== undefined && scope.type !== type) return false;
  if (scope.entity === undefined) return true;
  const named = uidOf(scope.entity);
  if (named.type === 'Tenant') return scope.within && named.id === tenant;
  return named.type === type || (named.type === 'Project' && scope.within);
}

function mustBe({ resource }: PolicyJson, { type, tenant }: UnknownResource): boolean {
  const { entity, within, type: only } = partScope(resource);
  if (only !== undefined && only !== type) return false;
  return entity === undefined || (within && entity === nameOf({ type: 'Tenant', id: tenant }));
}

type Hidden = (expr: Expr) => boolean;

/** What lists cannot know: arguments, where a call will come from, and what will have happened before it. */
const UNKNOWN = new Set(['args', 'ip_risk', 'session']);

const readsUnknown: Hidden = (expr) =>
  mentions(expr).some(({ path: [first] }) => first === undefined || UNKNOWN.has(first));

const readsResource: Hidden = (expr) => nodes(expr).some((node) => node.Var === 'resource');

/**
 * What remains of a policy when the arguments are unknown. A permit becomes permits of which one holds whenever the
 * policy could hold for some arguments; a forbid becomes one that holds only when the policy holds, or fails, for
 * all. Everything but the arguments stays as exact as it was.
 */
export function withoutArguments(
  policy: PolicyJson,
  text: string,
  unknown: UnknownResource | undefined,
): readonly ArgumentFree[] {
  const hides: Hidden = unknown ? (expr) => readsUnknown(expr) || readsResource(expr) : readsUnknown;
  if (!conditionsOf(policy).some(hides)) {
    if (unknown === undefined) return [{ policy: text, exact: true }];
    return [{ policy: { ...policy, resource: { op: 'All' } }, exact: mustBe(policy, unknown) }];
  }
  const all = conditionsOf(policy).reduce<Expr>((left, right) => ({ '&&': { left, right } }), TRUE);
  const ways = readable(waysToBe(all, policy.effect === 'permit', hides));
  const conditions = policy.effect === 'permit' ? ways : [{ '!': { arg: anyOf(ways) } }];
  return conditions.map((body) => ({
    exact: false,
    policy: {
      ...policy,
      ...(unknown && { resource: { op: 'All' as const } }),
      conditions: [{ kind: 'when', body: body as PolicyJson['conditions'][number]['body'] }],
    },
  }));
}

function readable(ways: readonly Expr[]): readonly Expr[] {
  return ways.some((way) => depthOf(way) > MAX_DEPTH) ? [TRUE] : ways;
}

function depthOf(expr: Expr): number {
  return 1 + Math.max(0, ...children(expr).map(depthOf));
}

/**
 * Expressions without arguments, of which at least one is true without error whenever `expr` can be `wanted` for
 * some arguments. (Separate ones rather than one `||`: an error in one must not hide another.)
 */
function waysToBe(expr: Expr, wanted: boolean, hides: Hidden): readonly Expr[] {
  if (!hides(expr)) return [wanted ? expr : { '!': { arg: expr } }];
  const ways = structuralWays(expr, wanted, hides);
  return ways.length > MAX_WAYS || ways.includes(TRUE) ? [TRUE] : ways;
}

function structuralWays(expr: Expr, wanted: boolean, hides: Hidden): readonly Expr[] {
  const [operator] = nodeOf(expr);
  if (operator === '!') return waysToBe(operand(expr, '!', 'arg'), !wanted, hides);
  if (operator === '&&' || operator === '||') {
    const left = waysToBe(operand(expr, operator, 'left'), wanted, hides);
    const right = waysToBe(operand(expr, operator, 'right'), wanted, hides);
    if ((operator === '&&') === wanted) return both(left, right);
    // `a || b` is true when `a` is, or when `a` is false, and has not failed, and `b` is true; `&&` likewise.
    return [...left, ...both(waysToBe(operand(expr, operator, 'left'), !wanted, hides), right)];
  }
  if (operator === 'if-then-else') {
    const condition = operand(expr, operator, 'if');
    return [
      ...both(waysToBe(condition, true, hides), waysToBe(operand(expr, operator, 'then'), wanted, hides)),
      ...both(waysToBe(condition, false, hides), waysToBe(operand(expr, operator, 'else'), wanted, hides)),
    ];
  }
  return [TRUE];
}

function both(left: readonly Expr[], right: readonly Expr[]): readonly Expr[] {
  if (left.length * right.length > MAX_WAYS) return [TRUE];
  return left.flatMap((a) => right.map((b) => (a === TRUE ? b : b === TRUE ? a : { '&&': { left: a, right: b } })));
}

/** A balanced tree: Cedar bounds the depth of expressions. */
function anyOf(ways: readonly Expr[]): Expr {
  const [only] = ways;
  if (only && ways.length === 1) return only;
  const middle = ways.length >> 1;
  return { '||': { left: anyOf(ways.slice(0, middle)), right: anyOf(ways.slice(middle)) } };
}
