/** What two spellings of one JSON-RPC id have in common (`1` and `1.0`, `"a"` and `"\\u0061"`); `raw` is strict JSON. */
export function sameId(raw: string): string {
  return JSON.stringify(JSON.parse(raw));
}
