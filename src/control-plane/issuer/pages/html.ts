/** Text that is HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Piece = string | number | Html | readonly Html[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A template whose values are text unless they are `Html`; attributes are always quoted. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(String.raw({ raw: strings }, ...pieces.map(rendered)));
}

function rendered(piece: Piece): string {
  if (piece instanceof Html) return piece.text;
  if (typeof piece === 'object') return piece.map(({ text }) => text).join('');
  return String(piece).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/**
 * Controls, format characters (direction changes, zero width), unusual spaces, and whatever has no glyph of its own; marks
 * that would pile up over the lines around them, and spaces that would push the rest out of sight. Repeated ones together.
 */
const HIDDEN = /([\p{C}\p{Zl}\p{Zp}\p{DI}\u2800]|(?! )\p{Zs}|(?<=\p{M}{3})\p{M}|(?<= {4}) )\1*/gu;

/**
 * Somebody else's text as it is: what could hide or reorder the rest of it is shown by its number instead. It stands in
 * an isolate of its own, so that letters of a right-to-left script move nothing beside it (UAX #9).
 */
export function foreign(text: string): Html {
  const marked = text.replace(HIDDEN, (run, char: string) => {
    const number = char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    const times = run.length / char.length;
    return `\u0000${number}${times > 1 ? `×${times}` : ''}\u0001`;
  });
  const shown = rendered(marked).replaceAll('\u0000', '<mark title="invisible">U+').replaceAll('\u0001', '</mark>');
  return new Html(`<bdi>${shown}</bdi>`);
}
