interface Group {
  /** Steps of everything in the group so far. */
  sum: number;
  /** Steps of the last thing in it, which a quantifier repeats. */
  last: number;
}

const ATOM = /\\(?:[pPuk]\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[\s\S])|\[(?:\\[\s\S]|[^\]\\])*\]|[\s\S]/y;
const REPEAT = /\{(\d+)(?:(,)(\d*))?\}/y;

/**
 * How many steps a pattern has once its counted repetitions are written out, as engines without backtracking do:
 * `(a{100}){100}` has ten thousand. Also the deepest nesting of its groups.
 */
export function expandedSize(source: string): { readonly steps: number; readonly depth: number } {
  const groups: Group[] = [{ sum: 0, last: 0 }];
  let depth = 1;
  for (let at = 0; at < source.length; ) {
    const group = groups.at(-1) ?? { sum: 0, last: 0 };
    REPEAT.lastIndex = at;
    const repeat = REPEAT.exec(source);
    if (repeat !== null) {
      const [whole, least, comma, most] = repeat;
      const times = Math.max(1, Number(most || least) + (comma !== undefined && most === '' ? 1 : 0));
      group.sum += group.last * (times - 1);
      group.last *= times;
      at += whole.length;
      continue;
    }
    ATOM.lastIndex = at;
    const atom = ATOM.exec(source)?.[0] ?? '';
    at += Math.max(1, atom.length);
    if (atom === '(') {
      depth = Math.max(depth, groups.push({ sum: 1, last: 0 }));
    } else if (atom === ')' && groups.length > 1) {
      groups.pop();
      const outer = groups.at(-1);
      if (outer !== undefined) {
        outer.sum += group.sum;
        outer.last = group.sum;
      }
    } else {
      group.sum += 1;
      // A quantifier is a step of its own; what may be counted again is what it repeats.
      if (!/^[*+?|]$/.test(atom)) group.last = 1;
    }
  }
  return { steps: groups.reduce((all, { sum }) => all + sum, 0), depth };
}
