import { type Document, isScalar, type ParsedNode, visit } from 'yaml';

/**
 * The first key that its map has already (YAML 1.2 §3.2.1.3). The parser can say so too, and compares each key with each: a file of a
 * hundred thousand keys would keep it for minutes.
 */
export function repeatedKey(document: Document<ParsedNode>): ParsedNode | undefined {
  let found: ParsedNode | undefined;
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && key.value !== '<<') {
          found = key as ParsedNode;
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}
