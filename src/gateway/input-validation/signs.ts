/** Characters that the shapes of injections are made of, the rare ones first; letters of their words in either case. */
const SIGNS = '\r`|<\\%{$#;&])("\'_:/\n-.ymfu';

/** Outside of printable ASCII, tab and line ends. */
export const FOREIGN = 1 << 30;

const bits = new Int32Array(128).fill(FOREIGN);
for (let code = 0x20; code < 0x7f; code++) bits[code] = 0;
for (const space of '\t\n\r') bits[space.charCodeAt(0)] = 0;
for (const [index, sign] of [...SIGNS].entries()) {
  for (const form of [sign, sign.toUpperCase()]) bits[form.charCodeAt(0)] = 1 << index;
}

/** Which of the signs a text has, one bit for each, and `FOREIGN`: read once, so that most looks need not be taken. */
export function signsOf(text: string): number {
  let signs = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    signs |= code < 128 ? (bits[code] ?? 0) : FOREIGN;
  }
  return signs;
}
