/** A node of an ESTree, as a parser made it of a stranger's file: nothing but its place is taken for granted. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number } };
  readonly [key: string]: unknown;
}

/** What a callee means: `child_process.exec`, under whatever name it was imported or kept. */
export type Resolve = (node: unknown) => string;

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** The node without casts, parentheses and the like: what it is when it runs. */
export function bare(value: unknown): SyntaxNode | undefined {
  let node = isNode(value) ? value : undefined;
  for (;;) {
    if (node === undefined) return undefined;
    if (/^(?:TS(?:As|Satisfies|NonNull)Expression|TSTypeAssertion|ChainExpression|AwaitExpression)$/.test(node.type))
      node = child(node, 'expression') ?? child(node, 'argument');
    else if (node.type === 'SequenceExpression') node = list(node, 'expressions').map(bare).at(-1);
    else return node;
  }
}

export function child(node: SyntaxNode, key: string): SyntaxNode | undefined {
  const value = node[key];
  return isNode(value) ? value : undefined;
}

export function list(node: SyntaxNode, key: string): readonly unknown[] {
  const value = node[key];
  return Array.isArray(value) ? value : [];
}

/** The text of a string that does not change. */
export function constant(value: unknown): string | undefined {
  const node = bare(value);
  if (node?.type === 'Literal') return String(node.value);
  if (node?.type === 'TemplateLiteral' && list(node, 'expressions').length === 0) return beginning(node);
  if (node?.type !== 'BinaryExpression' || node.operator !== '+') return undefined;
  const [left, right] = [constant(node.left), constant(node.right)];
  return left === undefined || right === undefined ? undefined : left + right;
}

/** `…${x}…`, `a + x`, `'…'.concat(x)`. */
export function isPutTogether(value: unknown): boolean {
  const node = bare(value);
  if (node === undefined || constant(node) !== undefined) return false;
  if (node.type === 'TemplateLiteral' || (node.type === 'BinaryExpression' && node.operator === '+')) return true;
  return node.type === 'CallExpression' && keyOf(child(node, 'callee')) === 'concat';
}

/** The constant text that a string begins with. */
export function beginning(value: unknown): string {
  const node = bare(value);
  if (node === undefined) return '';
  if (node.type === 'Literal') return String(node.value);
  if (node.type === 'BinaryExpression') return beginning(node.left);
  if (node.type === 'CallExpression') return beginning(child(node, 'callee')?.object);
  if (node.type !== 'TemplateLiteral') return '';
  const [first] = list(node, 'quasis');
  const text = isNode(first) ? first.value : undefined;
  return typeof text === 'object' && text !== null && 'raw' in text ? String(text.raw) : '';
}

/** Of a member or a property: its name, also where it is written `['name']`. */
export function keyOf(node: SyntaxNode | undefined): string {
  const key = node?.type === 'MemberExpression' ? child(node, 'property') : child(node ?? nothing, 'key');
  if (node?.computed !== true && key?.type === 'Identifier') return String(key.name);
  return constant(key) ?? '';
}

const nothing: SyntaxNode = { type: '', start: 0, end: 0, loc: { start: { line: 1 } } };

/** Reads what the names of a file stand for: imports, `require`, and constants that only give a thing another name. */
export function names(nodes: readonly SyntaxNode[]): Resolve {
  const known = new Map<string, string | SyntaxNode>();
  /** A name for another is followed so often; a circle of names means nothing. */
  const resolve = (value: unknown, patience = 16): string => {
    const node = bare(value);
    if (node === undefined || patience === 0) return '';
    if (node.type === 'Identifier') {
      const name = String(node.name);
      const means = known.get(name);
      return typeof means === 'string' ? means : means === undefined ? name : resolve(means, patience - 1) || name;
    }
    if (node.type === 'MemberExpression') return joined(resolve(node.object, patience - 1), keyOf(node));
    if (node.type === 'ImportExpression') return moduleOf(node.source);
    if (node.type !== 'CallExpression') return '';
    const callee = resolve(node.callee, patience - 1);
    const [first] = list(node, 'arguments');
    if (callee === 'require') return moduleOf(first);
    return /(?:^|\.)(?:promisify|bind)$/.test(callee)
      ? resolve(callee.endsWith('bind') ? node.callee : first, patience - 1)
      : '';
  };
  for (const node of nodes) {
    if (node.type === 'ImportDeclaration') readImport(node, known);
    else if (node.type === 'VariableDeclarator') readDeclarator(node, known, resolve);
  }
  return (node) => resolve(node).replace(/^(?:globalThis|global|window|self)\.|\.bind$/g, '');
}

function joined(of: string, key: string): string {
  return key === 'default' ? of : `${of}.${key}`;
}

function moduleOf(source: unknown): string {
  return (constant(source) ?? '').replace(/^node:/, '');
}

function readImport(node: SyntaxNode, known: Map<string, string | SyntaxNode>): void {
  const from = moduleOf(node.source);
  for (const one of list(node, 'specifiers')) {
    if (!isNode(one)) continue;
    const imported = child(one, 'imported');
    const name = imported === undefined ? 'default' : String(imported.name ?? imported.value);
    known.set(String(child(one, 'local')?.name), joined(from, name));
  }
}

function readDeclarator(node: SyntaxNode, known: Map<string, string | SyntaxNode>, resolve: Resolve): void {
  const [id, init] = [child(node, 'id'), child(node, 'init')];
  if (id === undefined || init === undefined) return;
  if (id.type === 'Identifier') {
    if (!known.has(String(id.name))) known.set(String(id.name), init);
    return;
  }
  if (id.type !== 'ObjectPattern') return;
  const from = resolve(init);
  if (from === '') return;
  for (const one of list(id, 'properties')) {
    const local = isNode(one) ? child(one, 'value') : undefined;
    if (isNode(one) && local?.type === 'Identifier') known.set(String(local.name), joined(from, keyOf(one)));
  }
}
