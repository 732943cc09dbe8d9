/** A key as a token of a JSON Pointer (RFC 6901 §3). */
export function escapeToken(key: string): string {
  return key.includes('~') || key.includes('/') ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key;
}

/** The same, cut to a length that a log line bears. */
export function shownToken(key: string): string {
  return escapeToken(key.length > 64 ? `${key.slice(0, 64)}…` : key);
}
