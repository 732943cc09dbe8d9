import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Uid } from './scope.ts';

/** A node of Cedar's JSON policy format: one operator and its operands. */
export interface Expr {
  readonly [operator: string]: unknown;
}

export const TRUE: Expr = { Value: true };

/** Operator and payload of a node. */
export function nodeOf(expr: Expr): readonly [operator: string, payload: unknown] {
  return Object.entries(expr)[0] ?? ['Value', false];
}

export function isExpr(value: unknown): value is Expr {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The operands that are expressions themselves. */
export function children(expr: Expr): readonly Expr[] {
  const [operator, payload] = nodeOf(expr);
  if (operator === 'Value' || operator === 'Var' || operator === 'Slot') return [];
  if (Array.isArray(payload)) return payload.filter(isExpr);
  return isExpr(payload) ? Object.values(payload).filter(isExpr) : [];
}

/** The expression and all that is in it. */
export function nodes(expr: Expr): readonly Expr[] {
  return [expr, ...children(expr).flatMap(nodes)];
}

export function operand(expr: Expr, operator: string, name: string): Expr {
  const payload = expr[operator];
  const value = isExpr(payload) ? payload[name] : undefined;
  if (!isExpr(value)) throw new TypeError(`Cedar's ${operator} has no ${name}`);
  return value;
}

/** A part of `context` that an expression reads: `['args', 'path']`; `[]` is all of it. */
export interface Mention {
  readonly path: readonly string[];
  /** Asked by `has`: only whether it is there. */
  readonly presence: boolean;
}

/** Every part of `context` that the expression may read; whatever is not a plain attribute chain counts as a whole. */
export function mentions(expr: Expr): readonly Mention[] {
  const path = contextPath(expr);
  if (path) return [{ path, presence: false }];
  const [operator, payload] = nodeOf(expr);
  if (operator === 'has' && isExpr(payload)) {
    const base = contextPath(operand(expr, 'has', 'left'));
    if (base) return [{ path: [...base, ...[payload.attr].flat().map(String)], presence: true }];
  }
  return children(expr).flatMap(mentions);
}

function contextPath(expr: Expr): readonly string[] | undefined {
  const [operator, payload] = nodeOf(expr);
  if (operator === 'Var') return payload === 'context' ? [] : undefined;
  if (operator !== '.' || !isExpr(payload)) return undefined;
  const base = contextPath(operand(expr, '.', 'left'));
  return base && [...base, String(payload.attr)];
}

/** The mention as a path below `context.args`; undefined when it reads nothing of the arguments. */
export function argumentPath({ path }: Mention): readonly string[] | undefined {
  if (path.length === 0) return [];
  return path[0] === 'args' ? path.slice(1) : undefined;
}

/** Every string literal; a pattern's wildcards stand as `*`. */
export function literals(expr: Expr): readonly string[] {
  const [operator, payload] = nodeOf(expr);
  if (operator === 'Value') return typeof payload === 'string' ? [payload] : [];
  const below = children(expr).flatMap(literals);
  if (operator !== 'like' || !isExpr(payload) || !Array.isArray(payload.pattern)) return below;
  const pattern = payload.pattern.map((part: unknown) => (isExpr(part) ? String(part.Literal) : '*')).join('');
  return [...below, pattern];
}

export function numberLiterals(expr: Expr): readonly number[] {
  const [operator, payload] = nodeOf(expr);
  if (operator !== 'Value') return children(expr).flatMap(numberLiterals);
  return typeof payload === 'number' ? [payload] : [];
}

/** Literal entities anywhere in the expression. */
export function entities(expr: Expr): readonly Uid[] {
  return nodes(expr).flatMap((node) => {
    const [operator, payload] = nodeOf(node);
    const entity = operator === 'Value' && isExpr(payload) ? payload.__entity : undefined;
    return isExpr(entity) ? [{ type: String(entity.type), id: String(entity.id) }] : [];
  });
}

/** The policy's `when` and `unless` clauses as one list of conditions that must all hold. */
export function conditionsOf(policy: PolicyJson): readonly Expr[] {
  return policy.conditions.map(({ kind, body }) => {
    const expr: Expr = { ...body };
    return kind === 'when' ? expr : { '!': { arg: expr } };
  });
}
