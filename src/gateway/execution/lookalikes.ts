/**
 * The first of these names that is one of the known in another spelling. Some readers take names in any letter case, the
 * last one winning: to them `Mode` would replace the `mode` that was judged.
 */
export function lookalikeOf(names: Iterable<string>, known: readonly string[]): string | undefined {
  const taken = new Set(known.map(folded));
  return [...names].find((name) => !known.includes(name) && taken.has(folded(name)));
}

/** Simple case folding, wide enough for long s and the Kelvin sign. */
function folded(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}
