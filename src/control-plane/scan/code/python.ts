import { parser } from '@lezer/python';
import type { Finding, Rule } from '../finding.ts';
import { judge } from './python-rules.ts';
import { names, type SyntaxNode } from './python-tree.ts';
import { codeRules } from './rules.ts';

const { unparsed } = codeRules('py');

/** Characters of a file that is read to its end though it is no good Python: going on after a fault costs far more. */
const MOST_WITH_FAULTS = 128 * 1024;

const strict = parser.configure({ strict: true });

/** Where the first lines say in which encoding the file is (PEP 263), */
const ENCODING = /^(?:[^\r\n]*(?:\r\n?|\n))?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)/;
/** and those in which ASCII stands for itself, as it is read here; in others code can look like anything. */
const PLAIN = /^(?:utf-?8(?:-sig)?|(?:us-)?ascii|latin-?1|iso-?8859-\d+|(?:windows-|cp)125\d)$/;

/** The same as for JavaScript, in Python. */
export function scanPython(file: string, bytes: string): readonly Finding[] {
  const source = bytes.replace(/^\ufeff/, '');
  const found: Finding[] = [];
  const line = lines(source);
  const add = (rule: Rule, from: number, to: number, at = line(from)): void => {
    const [what = ''] = source.slice(from, Math.min(to, from + 120)).split('\n', 1);
    found.push({ rule, file, line: at, what });
  };
  const [, encoding] = ENCODING.exec(source) ?? [];
  if (encoding !== undefined && !PLAIN.test(encoding.toLowerCase().replaceAll('_', '-')))
    found.push({ rule: unparsed, file, line: 1, what: `in ${encoding.slice(0, 40)}` });
  const nodes: SyntaxNode[] = [];
  let fault: number | undefined;
  const seen = (node: SyntaxNode): void => {
    if (node.type.isError) fault ??= node.from;
    else if (/^(?:CallExpression|AssignStatement|ImportStatement)$/.test(node.name)) nodes.push(node);
  };
  try {
    tree(source).iterate({ enter: ({ node }) => seen(node) });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [...found, { rule: unparsed, file, line: 1, what: error.message.slice(0, 120) }];
  }
  if (fault !== undefined) add(unparsed, fault, source.length, lines(source)(fault));
  const resolve = names(nodes, source);
  for (const node of nodes) for (const rule of judge(node, source, resolve)) add(rule, node.from, node.to);
  return found;
}

function tree(source: string) {
  try {
    return strict.parse(source);
  } catch (error) {
    if (!(error instanceof SyntaxError) || source.length > MOST_WITH_FAULTS) throw error;
    return parser.parse(source);
  }
}

/** Tells lines of places, one behind the other: each line end is looked for once. */
function lines(source: string): (at: number) => number {
  let line = 1;
  let end = source.indexOf('\n');
  return (at) => {
    for (; end >= 0 && end < at; end = source.indexOf('\n', end + 1)) line++;
    return line;
  };
}
