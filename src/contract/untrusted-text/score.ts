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
  const reader = readers[of];
  reader.begin();
  readWords(fold(text), reader.see);
  return reader.best;
}

function unescaped(text: string): string {
  if (!text.includes('\\u')) return text;
  return text.replace(/\\u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** The rules for one kind of text, laid out flat: the steps of each follow each other. */
interface Plan {
  readonly rules: readonly Rule[];
  /** Of each rule, its first step; behind the last, how many steps there are. */
  readonly starts: readonly number[];
  /** Which steps a meaning takes, later ones of a rule first: one word is never two of its steps. */
  readonly watching: ReadonlyMap<Meaning, readonly (readonly [rule: number, step: number])[]>;
}

const plans = { descriptor: planOf('descriptor'), result: planOf('result') } as const;

function planOf(of: 'descriptor' | 'result'): Plan {
  const own = rules.filter((rule) => rule.of === undefined || rule.of === of);
  const starts = [0];
  const watching = new Map<Meaning, (readonly [number, number])[]>();
  for (const [index, { steps }] of own.entries()) {
    const start = starts[index] ?? 0;
    starts.push(start + steps.length);
    for (const [step, { any }] of steps.entries())
      for (const meaning of any) watching.set(meaning, [[index, start + step], ...(watching.get(meaning) ?? [])]);
  }
  return { rules: own, starts, watching };
}

const NEVER = -1e9;
const NONE: Suspicion = { score: 0, reasons: [] };

/** Reads one text after another; each begins so far behind the one before that no rule reaches from one into the other. */
class Reader {
  best = NONE;
  readonly #apart: number;
  #from = 0;
  #last = 0;
  readonly #plan: Plan;
  /** Of each step: where it was taken last, and where that course of its rule began. */
  readonly #reached: Float64Array;
  readonly #began: Float64Array;
  /** Of each rule: where it was last fulfilled, and what that weighed. */
  readonly #fired: Float64Array;
  readonly #weights: Float64Array;
  #mentioned = NEVER;

  constructor(of: 'descriptor' | 'result') {
    this.#plan = plans[of];
    this.#apart = 1 + Math.max(WINDOW, ...this.#plan.rules.flatMap(({ steps }) => steps.map(({ within }) => within)));
    const { rules: own, starts } = this.#plan;
    const steps = starts.at(-1) ?? 0;
    this.#reached = new Float64Array(steps).fill(NEVER);
    this.#began = new Float64Array(steps);
    this.#fired = new Float64Array(own.length).fill(NEVER);
    this.#weights = new Float64Array(own.length);
  }

  begin(): void {
    this.best = NONE;
    this.#from = this.#last + this.#apart;
  }

  readonly see = (meanings: readonly Meaning[], at: number): void => {
    const place = this.#from + at;
    this.#last = place;
    for (const meaning of meanings) {
      if (meaning === 'mention') this.#mentioned = place;
      const steps = this.#plan.watching.get(meaning);
      if (steps !== undefined) for (const [rule, step] of steps) this.#advance(rule, step, place);
    }
  };

  #advance(index: number, step: number, place: number): void {
    const { rules: own, starts } = this.#plan;
    const start = starts[index] ?? 0;
    const rule = own[index];
    if (rule === undefined) return;
    if (step === start) this.#began[step] = place;
    else {
      const before = this.#reached[step - 1] ?? NEVER;
      if (before >= place || place - before > (rule.steps[step - start]?.within ?? 0)) return;
      this.#began[step] = this.#began[step - 1] ?? place;
    }
    this.#reached[step] = place;
    if (step + 1 === starts[index + 1]) this.#fire(index, rule, this.#began[step] ?? place, place);
  }

  #fire(index: number, rule: Rule, from: number, place: number): void {
    const spoken = from - this.#mentioned <= 8 && from >= this.#mentioned;
    const weight = rule.weight * (spoken ? SPOKEN_OF : 1);
    const last = this.#fired[index] ?? NEVER;
    this.#fired[index] = place;
    // What weighs no more than the same a few words before adds nothing to what was summed up there.
    if (place - last <= WINDOW && weight <= (this.#weights[index] ?? 0)) return;
    this.#weights[index] = weight;
    this.#sum(place);
  }

  #sum(place: number): void {
    const recent: { readonly reason: Reason; readonly weight: number }[] = [];
    for (const [index, { reason }] of this.#plan.rules.entries())
      if (place - (this.#fired[index] ?? NEVER) <= WINDOW) recent.push({ reason, weight: this.#weights[index] ?? 0 });
    recent.sort((one, other) => other.weight - one.weight);
    const reasons = new Set<Reason>();
    let score = 0;
    for (const { reason, weight } of recent) {
      score += reasons.has(reason) ? weight * AGAIN : weight;
      reasons.add(reason);
    }
    if (score > this.best.score) this.best = { score, reasons: [...reasons] };
  }
}

const readers = { descriptor: new Reader('descriptor'), result: new Reader('result') } as const;
