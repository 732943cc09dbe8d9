import type { Policy, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { argumentPath, children, conditionsOf, type Expr, mentions, nodeOf, operand, TRUE } from './expressions.ts';

/** Above this many ways for a condition to hold, it counts as one that may hold. */
const MAX_WAYS = 64;

/** Cedar reads policies in JSON down to 128 levels, two for each expression; a condition beyond counts as one that may hold. */
const MAX_DEPTH = 50;

/** A policy about the question without its arguments. */
export interface ArgumentFree {
  readonly policy: Policy;
  /** It is the policy itself: an error in it is an error in every decision. */
  readonly exact: boolean;
}

/** Does the policy read the arguments? */
function readsArguments(policy: PolicyJson): boolean {
  return conditionsOf(policy).some(reads);
}

function reads(expr: Expr): boolean {
  return mentions(expr).some((mention) => argumentPath(mention) !== undefined);
}

/**
 * What remains of a policy when the arguments are unknown. A permit becomes permits of which one holds whenever the
 * policy could hold for some arguments; a forbid becomes one that holds only when the policy holds, or fails, for
 * all. Everything but the arguments stays as exact as it was.
 */
export function withoutArguments(policy: PolicyJson, text: string): readonly ArgumentFree[] {
  if (!readsArguments(policy)) return [{ policy: text, exact: true }];
  const all = conditionsOf(policy).reduce<Expr>((left, right) => ({ '&&': { left, right } }), TRUE);
  const ways = readable(waysToBe(all, policy.effect === 'permit'));
  const conditions = policy.effect === 'permit' ? ways : [{ '!': { arg: anyOf(ways) } }];
  return conditions.map((body) => ({
    exact: false,
    policy: { ...policy, conditions: [{ kind: 'when', body: body as PolicyJson['conditions'][number]['body'] }] },
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
function waysToBe(expr: Expr, wanted: boolean): readonly Expr[] {
  if (!reads(expr)) return [wanted ? expr : { '!': { arg: expr } }];
  const ways = structuralWays(expr, wanted);
  return ways.length > MAX_WAYS || ways.includes(TRUE) ? [TRUE] : ways;
}

function structuralWays(expr: Expr, wanted: boolean): readonly Expr[] {
  const [operator] = nodeOf(expr);
  if (operator === '!') return waysToBe(operand(expr, '!', 'arg'), !wanted);
  if (operator === '&&' || operator === '||') {
    const left = waysToBe(operand(expr, operator, 'left'), wanted);
    const right = waysToBe(operand(expr, operator, 'right'), wanted);
    // `a && b` is true when both are and false when one is; for `||` the other way round.
    return (operator === '&&') === wanted ? both(left, right) : [...left, ...right];
  }
  if (operator === 'if-then-else') {
    const condition = operand(expr, operator, 'if');
    return [
      ...both(waysToBe(condition, true), waysToBe(operand(expr, operator, 'then'), wanted)),
      ...both(waysToBe(condition, false), waysToBe(operand(expr, operator, 'else'), wanted)),
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
