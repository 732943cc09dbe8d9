import { shapes, type Target } from './injection-shapes.ts';

export interface Injection {
  /** From 1 on a string is refused. */
  readonly score: number;
  /** The heaviest first. */
  readonly reasons: readonly (Target | 'back-ticks')[];
}

const NONE: Injection = { score: 0, reasons: [] };
const WORDS = /^[\p{L}\p{M}\p{N}\s,._:/@-]*$/u;

/** Scores how much a string is made to be more than a value where it ends up (checklist `input.injection`). */
export function injection(text: string): Injection {
  if (WORDS.test(text) && !/\.\.|\bunion\b/i.test(text)) return NONE;
  const found: { readonly into: Injection['reasons'][number]; readonly weight: number }[] = [];
  for (const { into, weight, hints, pattern } of shapes)
    if (hints.some((hint) => text.includes(hint)) && pattern.test(text)) found.push({ into, weight });
  if (isMuchBackTicks(text)) found.push({ into: 'back-ticks', weight: 1 });
  if (found.length === 0) return NONE;
  found.sort((one, other) => other.weight - one.weight);
  const score = found.reduce((sum, { weight }) => sum + weight, 0);
  return { score, reasons: [...new Set(found.map(({ into }) => into))] };
}

/** Fences on lines of their own and spans of code in prose are usual; a string of which much is back-ticks is not. */
function isMuchBackTicks(text: string): boolean {
  if (!text.includes('`')) return false;
  const bare = text.replace(/^\s{0,3}```/gm, '');
  const count = bare.split('`').length - 1;
  return count >= 4 && count > bare.length * 0.15;
}
