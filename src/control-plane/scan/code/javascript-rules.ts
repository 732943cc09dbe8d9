import type { Rule } from '../finding.ts';
import {
  bare,
  beginning,
  constant,
  isNode,
  isPutTogether,
  keyOf,
  list,
  type Resolve,
  type SyntaxNode,
} from './javascript-tree.ts';
import { codeRules, QUERY, SHELL, SHELL_FLAG } from './rules.ts';

const rules = codeRules('js');

/** What of a node is against a rule. */
export function judge(node: SyntaxNode, resolve: Resolve): readonly Rule[] {
  switch (node.type) {
    case 'CallExpression':
    case 'NewExpression':
      return judgeCall(node, resolve);
    case 'ImportExpression':
      return constant(node.source) === undefined ? [rules.load] : [];
    case 'Property':
      return judgeSetting(keyOf(node), node.value);
    case 'AssignmentExpression':
      return judgeSetting(nameOf(node.left), node.right);
    default:
      return [];
  }
}

function nameOf(value: unknown): string {
  const node = bare(value);
  return node?.type === 'MemberExpression' ? keyOf(node) : String(node?.name ?? '');
}

function judgeSetting(name: string, value: unknown): readonly Rule[] {
  const node = bare(value);
  const literal = node?.type === 'Literal' ? node.value : undefined;
  if (name === 'shell' && (literal === true || (typeof literal === 'string' && SHELL.test(literal))))
    return [rules.shell];
  if (/^(?:rejectUnauthorized|strictSSL)$/.test(name) && literal === false) return [rules.tls];
  if (name === 'NODE_TLS_REJECT_UNAUTHORIZED' && String(literal) === '0') return [rules.tls];
  return /^(?:host|hostname)$/.test(name) && isEverywhere(literal) ? [rules.listen] : [];
}

function isEverywhere(value: unknown): boolean {
  return value === '0.0.0.0' || value === '::';
}

/** A call is judged by what its callee means, and by its last name alone where that is told by the argument. */
function judgeCall(node: SyntaxNode, resolve: Resolve): readonly Rule[] {
  const callee = resolve(node.callee);
  const name = nameOf(node.callee) || callee;
  const given = list(node, 'arguments');
  const [first, second] = given;
  if (first === undefined) return [];
  const varies = constant(first) === undefined;
  const found: Rule[] = [];
  const add = (rule: Rule, applies: boolean): void => {
    if (applies) found.push(rule);
  };
  add(rules.eval, isEvaluation(callee, given));
  add(rules.exec, EXEC.test(callee) ? varies : /^exec(?:Sync)?$/.test(name) && isPutTogether(first));
  add(rules.exec, isShell(first, second));
  add(rules.sql, QUERYING.test(name) && isPutTogether(first) && QUERY.test(beginning(first).trimStart()));
  add(rules.template, TEMPLATE.test(callee) && varies);
  add(rules.deserialize, /(?:^|\.)unserialize$/.test(callee) && varies);
  add(rules.cipher, isBroken(name, first));
  add(rules.listen, name === 'listen' && given.some((one) => isEverywhere(constant(one))));
  add(rules.vm, /^(?:runInThisContext|runInNewContext|runInContext|compileFunction)$/.test(name));
  add(rules.load, callee === 'require' && varies);
  return found;
}

const EXEC = /^(?:child_process\.exec(?:Sync)?|shelljs\.exec|execa\.execaCommand(?:Sync)?)$/;
const QUERYING = /^(?:query|execute|raw|unsafe|prepare|\$queryRawUnsafe|\$executeRawUnsafe)$/;
const TEMPLATE =
  /^(?:ejs\.(?:render|compile)|pug\.(?:render|compile)|nunjucks\.renderString|handlebars\.compile|lodash\.template)$/i;

function isEvaluation(callee: string, given: readonly unknown[]): boolean {
  if (/^(?:eval|Function)$|\bconstructor\.constructor$/.test(callee)) return constant(given.at(-1)) === undefined;
  return /^set(?:Timeout|Interval|Immediate)$/.test(callee) && isPutTogether(given[0]);
}

/** `spawn('sh', ['-c', x])` */
function isShell(program: unknown, given: unknown): boolean {
  const node = bare(given);
  if (node?.type !== 'ArrayExpression' || !SHELL.test(constant(program) ?? '')) return false;
  const items = list(node, 'elements');
  const line = items[items.findIndex((item) => SHELL_FLAG.test(constant(item) ?? '')) + 1];
  return line !== items[0] && isNode(line) && constant(line) === undefined;
}

function isBroken(name: string, first: unknown): boolean {
  if (/^create(?:Cipher|Decipher)$/.test(name)) return true;
  return /^create(?:Cipher|Decipher)iv$/.test(name) && /^(?:des|rc[24]|bf)\b|-ecb$/i.test(constant(first) ?? '');
}
