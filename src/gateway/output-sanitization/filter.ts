import type { SecretRule } from '../../contract/secret-template.ts';
import { BACK, REACH, type Rule } from './rule.ts';
import { type Finding, RuleSet } from './rule-set.ts';
import { rules as allRules } from './rules/index.ts';
import { ownRule } from './rules/own.ts';

/** Rule id → number of replacements. */
export type Findings = Readonly<Record<string, number>>;

export interface Filter {
  /** Takes the next piece of a text and gives back what of it is decided. */
  push(chunk: string): string;
  /** Gives back the rest. */
  end(): string;
  /** What has been replaced so far. */
  readonly findings: Findings;
}

/** Units before an undecided place that rules may look back at: what stands before a hint, and its boundary. */
const CONTEXT = 2 * BACK;

/** The latest run of what secrets without an upper length go on with. */
interface Tail {
  readonly rest: RegExp;
  end: number;
  /** Its end may not have come yet. */
  open: boolean;
}

/** Is told of each secret that is known by what stands before it, up to the length that its rule wants. */
export type Learn = (secret: string, id: string) => void;

const productRules = new RuleSet(allRules);
let inForce = productRules;

/** The rules of this product and the operator's own, made ready. */
export function everyRule(): RuleSet {
  return inForce;
}

/**
 * From now on these are looked for too, before the product's, in everything that the process gives away: answers, what is said in mid-call, audit, log.
 * They are one for the process, so that no carrier can be without them.
 */
export function useOwnRules(own: readonly SecretRule[]): void {
  inForce = own.length === 0 ? productRules : new RuleSet([...own.map(ownRule), ...allRules]);
}

/**
 * Replaces secrets in a text that comes in pieces by `[redacted:ID]`. It holds back a window of at most `REACH` plus
 * `BACK` units, whatever the length of text or secret, and the output does not depend on where the text was cut.
 */
export function createFilter(rules: readonly Rule[] | RuleSet = inForce, learn?: Learn): Filter {
  return new StreamFilter(rules instanceof RuleSet ? rules : new RuleSet(rules), learn);
}

class StreamFilter implements Filter {
  readonly findings: Record<string, number> = {};
  readonly #rules: RuleSet;
  readonly #learn: Learn | undefined;
  #buffer = '';
  /** Up to here hints have been tried. */
  #tried = 0;
  /** Up to here the text has been given back or replaced. */
  #given = 0;
  #pending: Finding[] = [];
  /** By the source of `rest`: whatever ends inside of a run ends with it, so that no text is walked through twice. */
  readonly #tails = new Map<string, Tail>();

  constructor(rules: RuleSet, learn: Learn | undefined) {
    this.#rules = rules;
    this.#learn = learn;
  }

  push(chunk: string): string {
    this.#buffer += chunk;
    const limit = this.#buffer.length - REACH;
    return limit <= this.#tried ? '' : this.#advance(limit, limit - BACK);
  }

  end(): string {
    return this.#advance(this.#buffer.length, this.#buffer.length);
  }

  /** Tries hints before `limit`; gives back what stands before `decided`, which no later hint can reach. */
  #advance(limit: number, decided: number): string {
    this.#pending = [...this.#pending, ...this.#rules.find(this.#buffer, this.#tried, limit)].sort(this.#rules.compare);
    this.#tried = limit;
    this.#follow();
    let output = '';
    let taken = 0;
    for (const finding of this.#pending) {
      if (finding.start >= decided) break;
      taken++;
      output += this.#apply(finding);
    }
    this.#pending.splice(0, taken);
    if (decided > this.#given) {
      output += this.#buffer.slice(this.#given, decided);
      this.#given = decided;
    }
    this.#forget(decided - CONTEXT);
    return output;
  }

  /** A finding inside of what has been replaced only makes that longer. */
  #apply({ start, end, rule, byContext }: Finding): string {
    let output = '';
    if (start >= this.#given) {
      output = `${this.#buffer.slice(this.#given, start)}[redacted:${rule.id}]`;
      this.findings[rule.id] = (this.findings[rule.id] ?? 0) + 1;
      if (byContext) this.#learn?.(this.#buffer.slice(start, end), rule.id);
    }
    this.#given = Math.max(this.#given, end);
    const { rest } = rule;
    if (rest !== undefined && end > (this.#tails.get(rest.source)?.end ?? -1)) {
      this.#tails.set(rest.source, { rest, end, open: true });
      this.#follow();
    }
    return output;
  }

  /** Lets each open tail run on as far as the text has come. */
  #follow(): void {
    for (const tail of this.#tails.values()) {
      if (!tail.open) continue;
      tail.rest.lastIndex = tail.end;
      tail.end += tail.rest.exec(this.#buffer)?.[0].length ?? 0;
      tail.open = tail.end === this.#buffer.length;
      this.#given = Math.max(this.#given, tail.end);
    }
  }

  #forget(count: number): void {
    if (count <= 0) return;
    this.#buffer = this.#buffer.slice(count);
    this.#tried -= count;
    this.#given -= count;
    this.#pending = this.#pending.map((finding) => ({
      ...finding,
      start: finding.start - count,
      end: finding.end - count,
    }));
    for (const tail of this.#tails.values()) tail.end -= count;
  }
}
