/**
 * Where a text has to be cut so that what stands before takes at most `room` bytes as the content of a JSON string: behind
 * the last line end, where one is in the second half of that, else between two code points. The text's length: not at all.
 */
export function cutAt(text: string, room: number): number {
  let bytes = 0;
  let line = 0;
  let half = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    const units = code >= 0xd800 && code <= 0xdbff ? 2 : 1;
    bytes += sizeOf(code);
    if (bytes > room) return line > half ? line : at;
    at += units;
    if (bytes * 2 <= room) half = at;
    if (code === 0x0a) line = at;
  }
  return text.length;
}

/** Bytes of a code point, which begins with this unit, in a JSON string as `JSON.stringify` writes it. */
function sizeOf(code: number): number {
  if (code < 0x20) return '\b\t\n\f\r'.includes(String.fromCharCode(code)) ? 2 : 6;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code >= 0xd800 && code <= 0xdbff ? 4 : 3;
}

export function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
