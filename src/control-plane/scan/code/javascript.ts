import { type ParserPlugin, parse } from '@babel/parser';
import type { Finding } from '../finding.ts';
import { judge } from './javascript-rules.ts';
import { isNode, names, type SyntaxNode } from './javascript-tree.ts';
import { codeRules } from './rules.ts';

const { unparsed } = codeRules('js');

/**
 * Finds in JavaScript and TypeScript what lets an argument become code, a command, a query, or an unchecked connection
 * (checklist `input.static`). Nothing of the file is run.
 */
export function scanJavaScript(file: string, source: string): readonly Finding[] {
  try {
    const nodes = [...nodesOf(program(file, source))];
    const resolve = names(nodes);
    return nodes.flatMap((node) =>
      judge(node, resolve).map((rule) => ({
        rule,
        file,
        line: node.loc.start.line,
        what: source.slice(node.start, node.end).split('\n', 1)[0]?.slice(0, 120) ?? '',
      })),
    );
  } catch (error) {
    // Nesting that no parser bears is no reason to pass.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return [{ rule: unparsed, file, line: 1, what: error.message.slice(0, 120) }];
  }
}

function program(file: string, source: string): unknown {
  const typed = /\.[cm]?tsx?$/.test(file);
  const plugins: ParserPlugin[] = ['estree', 'decorators'];
  if (typed) plugins.push('typescript');
  // In plain TypeScript `<T>x` is a cast.
  if (!typed || file.endsWith('x')) plugins.push('jsx');
  return parse(source, {
    plugins,
    sourceType: 'unambiguous',
    allowReturnOutsideFunction: true,
    allowUndeclaredExports: true,
    // What breaks a rule of the language and can be read all the same is looked at.
    errorRecovery: true,
  }).program;
}

/** Every node once, in the order of the text, without recursion. */
function* nodesOf(root: unknown): Generator<SyntaxNode> {
  const open: unknown[] = [root];
  const push = (children: readonly unknown[]): void => {
    for (const child of children.toReversed()) if (typeof child === 'object' && child !== null) open.push(child);
  };
  while (open.length > 0) {
    const next = open.pop();
    if (Array.isArray(next)) push(next);
    else if (isNode(next)) {
      yield next;
      push(Object.values(next));
    }
  }
}
