import { type Shape, shapes, type Target } from './injection-shapes.ts';
import { signsOf } from './signs.ts';

export interface Injection {
  /** From 1 on a string is refused. */
  readonly score: number;
  /** The heaviest first. */
  readonly reasons: readonly (Target | 'back-ticks')[];
}

const NONE: Injection = { score: 0, reasons: [] };
const NO_WORD = /[^\p{L}\p{M}\p{N}\s,._:/@-]/u;
const BACK_TICK = signsOf('`');
const NO_SHAPES: readonly Shape[] = [];

/**
 * Scores how much a string is made to be more than a value where it ends up (checklist `input.injection`).
 * @param signs `signsOf(text)`, where it is known
 */
export function injection(text: string, signs = signsOf(text)): Injection {
  const near = nearShapes(text, signs);
  const isTicked = (signs & BACK_TICK) !== 0;
  if ((near.length === 0 && !isTicked) || isWords(text)) return NONE;
  const holding = near.filter(({ pattern }) => pattern.test(text));
  const isTicks = isTicked && isMuchBackTicks(text);
  if (holding.length === 0 && !isTicks) return NONE;
  const found: Found[] = shapes.filter((shape) => holding.includes(shape));
  if (isTicks) found.push({ into: 'back-ticks', weight: 1 });
  found.sort((one, other) => other.weight - one.weight);
  const score = found.reduce((sum, { weight }) => sum + weight, 0);
  return { score, reasons: [...new Set(found.map(({ into }) => into))] };
}

interface Found {
  readonly into: Injection['reasons'][number];
  readonly weight: number;
}

/** Every hint with the signs without which a text cannot have it, by the number of zeros above its rarest sign. */
const hints = shapes.flatMap((shape) => shape.hints.map((hint) => ({ shape, hint, needs: signsOf(hint) })));
const hinting = Array.from({ length: 32 }, (_, zeros) => hints.filter(({ needs }) => rarest(needs) === zeros));

function rarest(signs: number): number {
  return Math.clz32(signs & -signs);
}

/** Shapes of which a text has a hint; only their patterns are tried. */
function nearShapes(text: string, signs: number): readonly Shape[] {
  let near: Shape[] | undefined;
  let lower: string | undefined;
  for (let rest = signs; rest !== 0; rest &= rest - 1) {
    for (const { shape, hint, needs } of hinting[rarest(rest)] ?? []) {
      if ((signs & needs) !== needs) continue;
      if (hint.length > 1) {
        lower ??= text.toLowerCase();
        if (!lower.includes(hint)) continue;
      }
      near ??= [];
      if (!near.includes(shape)) near.push(shape);
    }
  }
  return near ?? NO_SHAPES;
}

/** Words and numbers, and what stands between them in sentences, names and paths. */
function isWords(text: string): boolean {
  return !NO_WORD.test(text) && !/\.\.|\bunion\b/i.test(text);
}

/** Fences on lines of their own and spans of code in prose are usual; a string of which much is back-ticks is not. */
function isMuchBackTicks(text: string): boolean {
  const bare = text.replace(/^\s{0,3}```/gm, '');
  const count = bare.split('`').length - 1;
  return count >= 4 && count > bare.length * 0.15;
}
