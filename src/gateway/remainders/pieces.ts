import type { Item } from './items.ts';
import { bytesOf, cutAt } from './text.ts';

/** Bytes of an entry's braces, names and commas. */
const FRAME = 64;

/**
 * Lays items out in pieces of about `room` bytes each, as raw JSON of the entries of a resource's `contents`. Whoever puts
 * them together again has every byte: texts are cut as in the answer, base64 between its groups of four, so that each
 * part of a file is one.
 * @param uriOf the URI of a piece, from 1 on
 */
export function piecesOf(items: readonly Item[], room: number, uriOf: (piece: number) => string): readonly string[] {
  const pieces: string[][] = [[]];
  let left = room;
  for (const item of items) {
    for (let rest: Item | undefined = item; rest !== undefined; ) {
      const own = { uri: rest.uri ?? uriOf(pieces.length), ...(rest.mimeType && { mimeType: rest.mimeType }) };
      const fits = left - FRAME - bytesOf(JSON.stringify(own));
      const [part, next]: Split = split(rest, fits);
      // What does not fit behind others may alone; and a piece has always something, whatever its names take up.
      if (part === undefined && left < room) {
        pieces.push([]);
        left = room;
        continue;
      }
      const [taken, later]: Split = part === undefined ? split(rest, room) : [part, next];
      const entry = JSON.stringify({ ...own, ...taken });
      pieces.at(-1)?.push(entry);
      left -= bytesOf(entry) + 1;
      rest = later;
      if (later !== undefined) {
        pieces.push([]);
        left = room;
      }
    }
  }
  return pieces.map((entries) => `[${entries.join(',')}]`);
}

type Part = { readonly text: string } | { readonly blob: string };

type Split = readonly [Part | undefined, Item | undefined];

/** As much as fits, and the rest; nothing, where not even a little of it does. */
function split(item: Item, room: number): Split {
  if ('blob' in item) {
    const at = item.blob.length <= room ? item.blob.length : Math.floor(room / 4) * 4;
    if (at <= 0 && item.blob !== '') return [undefined, item];
    return [
      { blob: item.blob.slice(0, at) },
      at < item.blob.length ? { ...item, blob: item.blob.slice(at) } : undefined,
    ];
  }
  const at = cutAt(item.text, Math.max(0, room));
  if (at === 0 && item.text !== '') return [undefined, item];
  return [{ text: item.text.slice(0, at) }, at < item.text.length ? { ...item, text: item.text.slice(at) } : undefined];
}
