import type { Rule } from '../rule.ts';

/** Longest first, so that a number that another follows is not cut short. */
const LENGTHS = [19, 18, 17, 16, 15, 14, 13] as const;

/** Ranges of the first digits by network, with the lengths that it issues (ISO/IEC 7812; the networks' own tables). */
const NETWORKS: readonly { readonly first: RegExp; readonly lengths: readonly number[] }[] = [
  { first: /^4/, lengths: [13, 16, 19] },
  { first: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { first: /^3[47]/, lengths: [15] },
  { first: /^(?:6011|64[4-9]|65)/, lengths: [16, 17, 18, 19] },
  { first: /^(?:30[0-5]|3095|36|3[89])/, lengths: [14, 16, 17, 18, 19] },
  {
    first: /^(?:35(?:2[89]|[3-8])|30(?:8[89]|9[0-46-9])|31(?:0[0-2]|1[2-9]|20|5[89])|33(?:3[7-9]|4))/,
    lengths: [16, 17, 18, 19],
  },
  { first: /^(?:62|81)/, lengths: [16, 17, 18, 19] },
  { first: /^(?:50|5[6-9]|6[0137])/, lengths: [16, 18, 19] },
  { first: /^220[0-4]/, lengths: [16, 17, 18, 19] },
  // Networks of one country: RuPay, Uzcard, Humo, Troy, Napas.
  { first: /^(?:82|8600|9860|9792|9704)/, lengths: [16, 19] },
];

/** Primary account numbers: plain, or in groups with one kind of separator throughout. */
export const cards: readonly Rule[] = [
  {
    id: 'card-number',
    hints: ['2', '3', '4', '5', '6', '8', '9704', '9792', '9860'],
    bounded: true,
    next: /[\d .\t-]/,
    least: 12,
    measure: cardLength,
    // What stands behind a country and its check digits is an account's number (ISO 13616).
    pattern:
      /(?<![A-Za-z0-9.])(?<!\b[A-Z]{2}\d{2}(?: \d{4}){0,6} )(?:\d{13,19}|\d{4}([ .\t\u00a0\u2009\u2010-\u2014\u202f-]| - | {2})\d{4,6}(?:\1\d{1,7}){1,3})(?![A-Za-z0-9]|\.\d)/y,
    examples: [
      '4000123412341234',
      '4000 1234 1234 1234',
      '4000-1234-1234-1234',
      '4000–1234–1234–1234',
      '4000.1234.1234.1234',
    ],
    spares: ['4000123412341235', '9000123412341234', '0.4000123412341234', 'DE12 4000 1234 1234 1234 56'],
  },
  {
    // Of a magnetic stripe, first track (ISO/IEC 7813): a letter stands before it.
    id: 'card-number',
    hints: ['%B', '%b'],
    pattern: /%[Bb](\d{13,19})(?=\^)/y,
    validate: isCard,
    examples: ['%B«4000123412341234»^DOE/JANE^'],
    spares: ['%B4000123412341235^DOE/JANE^'],
  },
];

/** Length of the card number that `text` begins with, in units; 0: none. `text` holds digits and separators only. */
export function cardLength(text: string): number {
  for (const length of LENGTHS) {
    const end = endOfDigits(text, length);
    if (end !== 0 && isCard(text.slice(0, end).replace(/\D/g, ''))) return end;
  }
  return 0;
}

function endOfDigits(text: string, count: number): number {
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    if (isDigit(text, at) && ++digits === count) return isDigit(text, at + 1) ? 0 : at + 1;
  }
  return 0;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** An issued range, and the check digit of ISO/IEC 7812-1 annex B (Luhn). */
export function isCard(digits: string): boolean {
  if (!NETWORKS.some(({ first, lengths }) => lengths.includes(digits.length) && first.test(digits))) return false;
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(digits.length - 1 - at) - 0x30;
    sum += at % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
}
