import { parser } from '@lezer/python';
import type { Finding, Rule } from '../finding.ts';
import { judge } from './python-rules.ts';
import { names, type SyntaxNode } from './python-tree.ts';
import { codeRules } from './rules.ts';

const { unparsed } = codeRules('py');

/** Characters of a file that is read to its end though it is no good Python: going on after a fault costs far more. */
const MOST_WITH_FAULTS = 128 * 1024;

const strict = parser.configure({ strict: true });

/** The same as for JavaScript, in Python. */
export function scanPython(file: string, source: string): readonly Finding[] {
  const found: Finding[] = [];
  const add = (rule: Rule, at: number, what: string): void => {
    found.push({ rule, file, line: lineOf(source, at), what: what.split('\n', 1)[0]?.slice(0, 120) ?? '' });
  };
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
    return [{ rule: unparsed, file, line: 1, what: error.message.slice(0, 120) }];
  }
  if (fault !== undefined) add(unparsed, fault, source.slice(fault));
  const resolve = names(nodes, source);
  for (const node of nodes)
    for (const rule of judge(node, source, resolve)) add(rule, node.from, source.slice(node.from, node.to));
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

function lineOf(source: string, at: number): number {
  let line = 1;
  for (let end = source.indexOf('\n'); end >= 0 && end < at; end = source.indexOf('\n', end + 1)) line++;
  return line;
}
