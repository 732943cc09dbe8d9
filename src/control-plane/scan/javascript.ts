import { type AnyNode, parse } from 'acorn';
import type { Finding, Rule } from './finding.ts';

const rule = (id: string, level: Rule['level'], standard: string, text: string): Rule => ({
  id,
  level,
  standard,
  text,
});

const rules = {
  eval: rule('js.eval', 'error', 'CWE-95, OWASP A03:2021', 'code is made of a value at run time'),
  exec: rule('js.exec', 'error', 'CWE-78, OWASP A03:2021', 'a shell runs a command line that is put together'),
  shell: rule('js.shell', 'error', 'CWE-78, OWASP A03:2021', 'a program is started through a shell'),
  sql: rule('js.sql', 'error', 'CWE-89, OWASP A03:2021', 'a query is put together of strings'),
  tls: rule('js.tls', 'error', 'CWE-295, OWASP A02:2021', 'certificates are not checked'),
  vm: rule('js.vm', 'warning', 'CWE-265', 'node:vm is no sandbox'),
  load: rule('js.load', 'warning', 'CWE-829', 'what is loaded is decided at run time'),
  unparsed: rule('js.unparsed', 'warning', 'OWASP A08:2021', 'cannot be read as JavaScript, and was not looked at'),
} as const;

/** Finds what lets an argument become code, a command, a query, or an unchecked connection (checklist `input.static`). */
export function scanJavaScript(file: string, source: string): readonly Finding[] {
  const found: Finding[] = [];
  const add = (one: Rule, node: AnyNode): void => {
    const line = node.loc?.start.line ?? 1;
    found.push({
      rule: one,
      file,
      line,
      what: source.slice(node.start, node.end).split('\n', 1)[0]?.slice(0, 120) ?? '',
    });
  };
  try {
    for (const node of nodesOf(program(source))) judge(node, add);
  } catch (error) {
    // Nesting that no parser bears is no reason to pass.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    found.push({ rule: rules.unparsed, file, line: 1, what: error.message.slice(0, 120) });
  }
  return found;
}

function program(source: string): AnyNode {
  const options = {
    ecmaVersion: 'latest',
    locations: true,
    allowHashBang: true,
    allowReturnOutsideFunction: true,
  } as const;
  try {
    return parse(source, { ...options, sourceType: 'module' });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return parse(source, { ...options, sourceType: 'script' });
  }
}

/** Every node once, without recursion. */
function* nodesOf(root: AnyNode): Generator<AnyNode> {
  const open: unknown[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) open.push(...next.filter((one) => typeof one === 'object' && one !== null));
    else if (isNode(next)) {
      yield next;
      open.push(...Object.values(next).filter((one) => typeof one === 'object' && one !== null));
    }
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function judge(node: AnyNode, add: (rule: Rule, node: AnyNode) => void): void {
  if (node.type === 'Property') judgeProperty(node, add);
  if (node.type === 'AssignmentExpression' && nameOf(node.left) === 'NODE_TLS_REJECT_UNAUTHORIZED')
    add(rules.tls, node);
  if (node.type === 'ImportExpression' && !isConstant(node.source)) add(rules.load, node);
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return;
  const [first] = node.arguments;
  if (first === undefined) return;
  const name = nameOf(node.callee);
  const last = node.arguments.at(-1);
  if ((name === 'eval' || name === 'Function') && node.callee.type === 'Identifier' && !isConstant(last))
    add(rules.eval, node);
  if (/^exec(?:Sync)?$/.test(name) && isPutTogether(first)) add(rules.exec, node);
  if (/^(?:query|execute|raw|unsafe|\$queryRawUnsafe|\$executeRawUnsafe)$/.test(name) && isQuery(first))
    add(rules.sql, node);
  if (/^(?:runInThisContext|runInNewContext|runInContext|compileFunction)$/.test(name)) add(rules.vm, node);
  if (name === 'require' && node.callee.type === 'Identifier' && !isConstant(first)) add(rules.load, node);
}

function judgeProperty(node: Extract<AnyNode, { type: 'Property' }>, add: (rule: Rule, node: AnyNode) => void): void {
  const name = nameOf(node.key);
  const is = (value: unknown): boolean => node.value.type === 'Literal' && node.value.value === value;
  if (name === 'shell' && is(true)) add(rules.shell, node);
  if (name === 'rejectUnauthorized' && is(false)) add(rules.tls, node);
}

/** Of a callee or key: its last name. */
function nameOf(node: AnyNode): string {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'MemberExpression') return nameOf(node.property);
  return node.type === 'Literal' ? String(node.value) : '';
}

function isConstant(node: AnyNode | undefined): boolean {
  return node?.type === 'Literal' || (node?.type === 'TemplateLiteral' && node.expressions.length === 0);
}

/** `…${x}…`, `a + x`. A regular expression's `exec` is given a name. */
function isPutTogether(node: AnyNode): boolean {
  if (node.type === 'TemplateLiteral') return node.expressions.length > 0;
  return (
    node.type === 'BinaryExpression' && node.operator === '+' && !(isConstant(node.left) && isConstant(node.right))
  );
}

function isQuery(node: AnyNode): boolean {
  return isPutTogether(node) && /^(?:select|insert|update|delete|drop|alter|with|call|merge)\s/i.test(beginning(node));
}

function beginning(node: AnyNode): string {
  if (node.type === 'TemplateLiteral') return node.quasis[0]?.value.raw.trimStart() ?? '';
  if (node.type === 'BinaryExpression') return beginning(node.left);
  return node.type === 'Literal' ? String(node.value).trimStart() : '';
}
