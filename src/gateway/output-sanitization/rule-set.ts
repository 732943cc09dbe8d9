import { HintScanner } from './hint-scanner.ts';
import type { Rule } from './rule.ts';
import { isDrawn } from './secret-shape.ts';

/** A place that a rule wants replaced, in units of the text that was searched. */
export interface Finding {
  readonly start: number;
  readonly end: number;
  readonly rule: Rule;
  /** It is known by what stands before it; elsewhere the same value would not be. */
  readonly byContext: boolean;
}

/** Rules made ready: one pass finds their hints, and only at a hint are its rules tried. */
export class RuleSet {
  readonly #hints: HintScanner;
  readonly #rank: ReadonlyMap<Rule, number>;

  constructor(rules: readonly Rule[]) {
    this.#hints = new HintScanner(rules);
    this.#rank = new Map(rules.map((rule, rank) => [rule, rank]));
  }

  /** False: there is nothing to be found. */
  mayHold(text: string): boolean {
    let found = false;
    this.#hints.scan(text, 0, text.length, () => {
      found = true;
      return true;
    });
    return found;
  }

  /** What the rules find at hints from `from` on and before `to`. */
  find(text: string, from: number, to: number): Finding[] {
    const findings: Finding[] = [];
    this.#hints.scan(text, from, to, ({ rules }, at) => {
      for (const rule of rules) {
        const finding = tryRule(rule, text, at);
        if (finding !== undefined) findings.push(finding);
      }
      return false;
    });
    return findings;
  }

  /** The order in which findings are applied: by place, then by the order of the rules. */
  readonly compare = (one: Finding, other: Finding): number =>
    one.start - other.start || (this.#rank.get(one.rule) ?? 0) - (this.#rank.get(other.rule) ?? 0);
}

/** Enough for what a rule wants before its hint, and for what it wants to see before that. */
const BEFORE = 160;
/** Of what stands before a hint a rule's last word is shown this much. */
const SEEN = 64;

function tryRule(rule: Rule, text: string, at: number): Finding | undefined {
  rule.pattern.lastIndex = at;
  const match = rule.pattern.exec(text);
  if (match === null) return undefined;
  const [whole, group] = match;
  let start = at;
  let end = at + whole.length;
  if (rule.measure !== undefined) {
    end = at + rule.measure(whole);
    if (end === at) return undefined;
  } else if (group !== undefined) start = end - group.length;
  if (rule.before !== undefined) {
    const before = rule.before.exec(text.slice(Math.max(0, at - BEFORE), at));
    if (before === null) return undefined;
    start = at - before[0].length;
  }
  const validate = rule.validate ?? (rule.measure === undefined ? isDrawn : undefined);
  const context = { before: text.slice(Math.max(0, at - SEEN), at), matched: whole };
  if (validate !== undefined && !validate(text.slice(start, end), context)) return undefined;
  return { start, end, rule, byContext: rule.measure === undefined && group !== undefined };
}
