import { createHash } from 'node:crypto';
import { ALPHABETS, type Alphabet } from '../../src/contract/secret-template.ts';
import { rules } from '../../src/gateway/output-sanitization/rules/index.ts';

/** A text that holds a made-up secret, and the part of it that must not be left. */
export interface Sample {
  readonly text: string;
  readonly secret: string;
}

/** Characters that look drawn at random and are the same for the same seed. */
export function made(length: number, alphabet: Alphabet = 'mixed', seed = ''): string {
  const from = ALPHABETS[alphabet];
  let out = '';
  for (let round = 0; out.length < length; round++) {
    for (const byte of createHash('sha256').update(`${alphabet}${seed}${round}`).digest())
      out += from.charAt(byte % from.length);
  }
  return out.slice(0, length);
}

/** Fills a rule's example or spare: each `{alphabet:length}` by what `fill` makes of it. */
export function filled(template: string, fill: (alphabet: Alphabet, length: number, index: number) => string): string {
  let index = 0;
  return template.replace(/\{([a-z0-9]+):(\d+)\}/g, (_, alphabet, length) => fill(alphabet, Number(length), index++));
}

export function sampleOf(template: string, seed = ''): Sample {
  const text = filled(template, (alphabet, length, index) => made(length, alphabet, `${seed}${index || ''}`));
  const secret = /«([\s\S]*)»/.exec(text)?.[1] ?? text;
  return { text: text.replace(/[«»]/g, ''), secret };
}

/** The examples of all rules, by their ids; made here rather than written down: no file should hold what looks real. */
export const samples: Readonly<Record<string, readonly Sample[]>> = Object.fromEntries(
  [...Map.groupBy(rules, ({ id }) => id)].map(([id, own]) => [
    id,
    own.flatMap(({ examples }) => examples.map((template) => sampleOf(template))),
  ]),
);
