import { comparisonWith } from '../host/canonical.ts';
import { addCompared, type ComparedArgument, either } from '../host/compared.ts';
import { argumentPath, children, type Expr, literals, mentions, nodeOf } from './expressions.ts';

const COMPARISONS = new Set(['==', '!=', 'like', 'contains', 'containsAll', 'containsAny']);

/**
 * Which arguments the conditions compare with a literal that looks like a path or URL. What a comparison reads is
 * taken as a whole, so that neither if-then-else nor a record around the argument hides it; `has` compares nothing.
 */
export function comparedArguments(conditions: readonly Expr[]): readonly ComparedArgument[] {
  const found = new Map<string, ComparedArgument>();
  const visit = (expr: Expr) => {
    if (COMPARISONS.has(nodeOf(expr)[0])) note(expr, found);
    for (const child of children(expr)) visit(child);
  };
  for (const condition of conditions) visit(condition);
  return [...found.values()];
}

function note(expr: Expr, found: Map<string, ComparedArgument>): void {
  const kinds = literals(expr).flatMap((literal) => comparisonWith(literal) ?? []);
  if (kinds.length === 0) return;
  for (const mention of mentions(expr)) {
    const at = mention.presence ? undefined : argumentPath(mention);
    if (at) addCompared(found, { at, ...either(kinds) });
  }
}
