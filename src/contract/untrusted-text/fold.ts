import { LOOKALIKES } from './lookalikes.ts';

const LEET: Readonly<Record<string, string>> = { '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', $: 's' };

const INVISIBLE = /\p{Cf}|\u034f|[\u115f\u1160\u3164\uffa0]|[\u17b4\u17b5]|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]/gu;

/**
 * A text as a reader takes it, for looking words up in: compatibility letters are plain ones (UAX #15), invisible
 * characters and stray accents are gone, letters of other scripts inside of Latin words are Latin ones, case is lower.
 */
export function fold(text: string): string {
  const lower = text.toLowerCase();
  const plain = FOREIGN.test(lower) ? lower.replace(/[a-z]{0,32}[^\x00-\x7f][^\x00-\x20]{0,200}/g, foldLetters) : lower;
  const joined = plain.replace(/\b[a-z](?:[ .*_-][a-z]){3,24}\b/g, (word) => word.replace(/[^a-z]/g, ''));
  return /[0-9$]/.test(joined) ? joined.replace(/[a-z]{0,24}[0-9$][a-z0-9$]{0,24}/g, unleet) : joined;
}

const FOREIGN = /[^\x00-\x7f]/;

function foldLetters(text: string): string {
  const visible = text.normalize('NFKC').toLowerCase().replace(INVISIBLE, '');
  // An accent is no letter to a model that knows the word without it.
  const bare = visible
    .normalize('NFD')
    .replace(/([a-z])\p{Mn}{1,64}/gu, '$1')
    .normalize('NFC');
  return bare.replace(/[\p{L}]{1,64}/gu, (word) =>
    /[a-z]/.test(word) && /[^\x00-\x7f]/.test(word)
      ? [...word].map((letter) => LOOKALIKES[letter] ?? letter).join('')
      : word,
  );
}

/** `1gn0re`: digits between letters, in a word that is mostly letters. */
function unleet(word: string): string {
  if (!/[a-z]/.test(word) || !/[0-9$]/.test(word)) return word;
  const letters = word.replace(/[^a-z]/g, '').length;
  return letters * 2 >= word.length && word.length > 3
    ? word.replace(/[013457$]/g, (sign) => LEET[sign] ?? sign)
    : word;
}
