import type { parser } from '@lezer/python';

export type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/** What a callee means: `subprocess.run`, under whatever name it was imported or kept. */
export type Resolve = (node: SyntaxNode | null | undefined) => string;

export interface Argument {
  /** Of `shell=True`. */
  readonly name?: string;
  readonly value: SyntaxNode;
}

/** The arguments of a call, as they stand; `*a` and `**k` are among those without a name. */
export function argumentsOf(call: SyntaxNode, source: string): readonly Argument[] {
  const found: Argument[] = [];
  let name: string | undefined;
  let last: SyntaxNode | undefined;
  for (const node of childrenOf(call.getChild('ArgList'))) {
    if (node.name === ',') [name, last] = [undefined, undefined];
    else if (node.name === 'AssignOp' && last !== undefined) {
      name = textOf(last, source);
      found.pop();
    } else if (!/^[()*]+$/.test(node.name)) {
      last = node;
      found.push({ value: node, ...(name !== undefined && { name }) });
    }
  }
  return found;
}

export function childrenOf(node: SyntaxNode | null): readonly SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) found.push(child);
  return found;
}

/** In the form in which Python compares names (PEP 3131): `ｅｖａｌ` is `eval`. */
export function textOf(node: SyntaxNode, source: string): string {
  return source.slice(node.from, node.to).normalize('NFKC');
}

/** Without parentheses and `await`. */
export function bare(node: SyntaxNode | null | undefined): SyntaxNode | undefined {
  let inner = node ?? undefined;
  while (inner?.name === 'ParenthesizedExpression' || inner?.name === 'AwaitExpression')
    inner = childrenOf(inner).find(({ name }) => name !== '(' && name !== 'await');
  return inner;
}

/** Whether it is the same whenever the line is run: text, numbers and what is put together of them alone. */
export function isConstant(value: SyntaxNode | undefined): boolean {
  const open = [value];
  while (open.length > 0) {
    const node = bare(open.pop());
    if (node === undefined) return false;
    if (/^(?:String|Number|Boolean|None|ArithOp|[[\](),])$/.test(node.name)) continue;
    if (node.name === 'FormatString' && node.getChild('FormatReplacement') === null) continue;
    if (!/^(?:ContinuedString|BinaryExpression|UnaryExpression|ArrayExpression|TupleExpression)$/.test(node.name))
      return false;
    open.push(...childrenOf(node));
  }
  return true;
}

/** `f"…{x}"`, `"…" + x`, `"…" % x`, `"…".format(x)` */
export function isPutTogether(value: SyntaxNode | undefined, source: string): boolean {
  const node = bare(value);
  if (node === undefined || isConstant(node)) return false;
  if (node.name === 'CallExpression') return /(?:^|\.)format$/.test(textOf(node.firstChild ?? node, source));
  return /^(?:FormatString|ContinuedString|BinaryExpression)$/.test(node.name);
}

/** The constant text that a string begins with, and ends with where nothing is put into it. */
export function stringOf(value: SyntaxNode | undefined, source: string): string {
  let node = bare(value);
  while (node !== undefined && /^(?:BinaryExpression|CallExpression|MemberExpression)$/.test(node.name))
    node = bare(node.firstChild);
  if (node?.name === 'ContinuedString')
    return childrenOf(node)
      .map((one) => stringOf(one, source))
      .join('');
  if (node === undefined || !/^(?:Format)?String$/.test(node.name)) return '';
  return textOf(node, source).replace(/^[a-z]*("""|'''|"|')(.*?)\1?$/is, '$2');
}

/** Reads what the names of a file stand for: imports, `getattr`, and assignments that only give a thing another name. */
export function names(nodes: readonly SyntaxNode[], source: string): Resolve {
  const known = new Map<string, string | SyntaxNode>();
  /** A name for another is followed so often; a circle of names means nothing. */
  const resolve = (value: SyntaxNode | null | undefined, patience = 16): string => {
    const node = bare(value);
    if (node === undefined || patience === 0) return '';
    if (node.name === 'VariableName') {
      const name = textOf(node, source);
      const means = known.get(name);
      return typeof means === 'string' ? means : means === undefined ? name : resolve(means, patience - 1) || name;
    }
    if (node.name === 'MemberExpression') {
      const key = node.getChild('PropertyName');
      return `${resolve(node.firstChild, patience - 1)}.${key === null ? '' : textOf(key, source)}`;
    }
    if (node.name !== 'CallExpression') return '';
    const callee = resolve(node.firstChild, patience - 1);
    const [first, second] = argumentsOf(node, source);
    if (/^(?:__import__|importlib\.import_module)$/.test(callee)) return stringOf(first?.value, source);
    if (callee === 'getattr') return `${resolve(first?.value, patience - 1)}.${stringOf(second?.value, source)}`;
    return callee === 'functools.partial' ? resolve(first?.value, patience - 1) : '';
  };
  for (const node of nodes) {
    if (node.name === 'ImportStatement') readImport(textOf(node, source), known);
    else if (node.name === 'AssignStatement') {
      const [left, equals, right] = childrenOf(node);
      if (left?.name === 'VariableName' && equals?.name === 'AssignOp' && right !== undefined)
        if (!known.has(textOf(left, source))) known.set(textOf(left, source), right);
    }
  }
  return (node) => resolve(node).replace(/^(?:builtins|__builtins__)\./, '');
}

/** `import a.b as c, d`, `from a import b as c, (d)` */
function readImport(text: string, known: Map<string, string | SyntaxNode>): void {
  const plain = text
    .replace(/#[^\n]*|[()\\]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const [, from, list = ''] = /^(?:from (\S+) )?import (.*)$/.exec(plain) ?? [];
  for (const one of list.split(',')) {
    const [, name = '', as] = /^ ?(\S+)(?: as (\S+))? ?$/.exec(one) ?? [];
    if (from !== undefined) known.set(as ?? name, `${from}.${name}`);
    else if (as !== undefined) known.set(as, name);
  }
}
