import { encodedTexts } from './encoded.ts';
import { fold } from './fold.ts';
import { findHidden } from './hidden.ts';
import type { Meaning } from './lexicon/lexicon.ts';
import { type Reason, type Rule, rules } from './rules.ts';
import { readWords } from './words.ts';

/** What the text of a stranger does to a model that obeys it. */
export interface Suspicion {
  /** From 1 on it is suspected. */
  readonly score: number;
  /** Why, the heaviest first. */
  readonly reasons: readonly Reason[];
}

/** Words that belong together: a long text does not become suspicious by its length. */
const WINDOW = 160;
/** A rule whose beginning is spoken of, rather than said, counts this much less. */
const SPOKEN_OF = 0.3;
/** What says the same as something heavier counts this much. */
const AGAIN = 0.5;

/** From this score on a text is suspected. */
export const SUSPECTED = 1;

/** What nobody writes by accident into a text for people. */
const HIDDEN = { descriptor: 1, result: 0.6 } as const;
const SMUGGLED = new Set(['bidi', 'tag', 'selector']);

/**
 * Scores how much a text gives orders to the model that reads it (OWASP LLM01:2025). Linear in its length.
 * @param text plain, or JSON with its escapes
 * @param of what a server says of its tools, or what a tool returned
 */
export function suspicion(text: string, of: 'descriptor' | 'result'): Suspicion {
  const plain = unescaped(text);
  let best = readOnce(plain, of);
  for (const encoded of encodedTexts(plain)) {
    const { score, reasons } = readOnce(encoded, of);
    if (score > 0 && score + ENCODED > best.score) best = { score: score + ENCODED, reasons: ['encoded', ...reasons] };
  }
  const hidden = findHidden(plain);
  if (hidden === undefined || (of === 'result' && !SMUGGLED.has(hidden.kind))) return best;
  return { score: best.score + HIDDEN[of], reasons: ['invisible', ...best.reasons] };
}

/** An order that is in another coat too is no accident. */
const ENCODED = 0.5;

function readOnce(text: string, of: 'descriptor' | 'result'): Suspicion {
  const reader = new Reader(of);
  readWords(fold(text), reader.see);
  return reader.best;
}

function unescaped(text: string): string {
  if (!text.includes('\\u')) return text;
  return text.replace(/\\u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

interface Progress {
  readonly rule: Rule;
  readonly reached: Float64Array;
  readonly began: Float64Array;
  fired: number;
  weight: number;
}

class Reader {
  best: Suspicion = { score: 0, reasons: [] };
  readonly #watching = new Map<Meaning, [Progress, number][]>();
  readonly #all: Progress[] = [];
  #mentioned = -100;

  constructor(of: 'descriptor' | 'result') {
    for (const rule of rules) {
      if (rule.of !== undefined && rule.of !== of) continue;
      const count = rule.steps.length;
      const progress = {
        rule,
        reached: new Float64Array(count).fill(-1e9),
        began: new Float64Array(count),
        fired: -1e9,
        weight: 0,
      };
      this.#all.push(progress);
      for (const [index, { any }] of rule.steps.entries())
        for (const meaning of any)
          this.#watching.set(meaning, [[progress, index], ...(this.#watching.get(meaning) ?? [])]);
    }
  }

  readonly see = (meanings: readonly Meaning[], place: number): void => {
    for (const meaning of meanings) {
      if (meaning === 'mention') this.#mentioned = place;
      for (const [progress, step] of this.#watching.get(meaning) ?? []) this.#advance(progress, step, place);
    }
  };

  #advance(progress: Progress, step: number, place: number): void {
    const { rule, reached, began } = progress;
    if (step > 0) {
      const before = reached[step - 1] ?? 0;
      if (before >= place || place - before > (rule.steps[step]?.within ?? 0)) return;
      began[step] = began[step - 1] ?? 0;
    } else began[0] = place;
    reached[step] = place;
    if (step === rule.steps.length - 1) this.#fire(progress, began[step] ?? place, place);
  }

  #fire(progress: Progress, from: number, place: number): void {
    const spoken = from - this.#mentioned <= 8 && from >= this.#mentioned;
    const weight = progress.rule.weight * (spoken ? SPOKEN_OF : 1);
    if (place - progress.fired > WINDOW || weight >= progress.weight) progress.weight = weight;
    progress.fired = place;
    const recent = this.#all.filter(({ fired }) => place - fired <= WINDOW);
    recent.sort((one, other) => other.weight - one.weight);
    const reasons = new Set<Reason>();
    let score = 0;
    for (const { rule, weight: own } of recent) {
      score += reasons.has(rule.reason) ? own * AGAIN : own;
      reasons.add(rule.reason);
    }
    if (score > this.best.score) this.best = { score, reasons: [...reasons] };
  }
}
