import type { Rule } from '../finding.ts';
import {
  type Argument,
  argumentsOf,
  bare,
  childrenOf,
  isConstant,
  isPutTogether,
  type Resolve,
  type SyntaxNode,
  stringOf,
  textOf,
} from './python-tree.ts';
import { codeRules, QUERY, SHELL, SHELL_FLAG } from './rules.ts';

const rules = codeRules('py');

/** What of a node is against a rule. */
export function judge(node: SyntaxNode, source: string, resolve: Resolve): readonly Rule[] {
  if (node.name === 'CallExpression') return judgeCall(node, source, resolve);
  return node.name === 'AssignStatement' ? judgeAssignment(textOf(node, source)) : [];
}

function judgeAssignment(text: string): readonly Rule[] {
  if (/\.verify_mode\s*=\s*(?:\w+\.)?CERT_NONE\s*$/.test(text)) return [rules.tls];
  if (/\.check_hostname\s*=\s*False\s*$/.test(text)) return [rules.tls];
  return /\._create_default_https_context\s*=/.test(text) ? [rules.tls] : [];
}

function judgeCall(node: SyntaxNode, source: string, resolve: Resolve): readonly Rule[] {
  const callee = resolve(node.firstChild);
  const name = callee.slice(callee.lastIndexOf('.') + 1);
  const given = argumentsOf(node, source);
  const named = (key: string): SyntaxNode | undefined => given.find((one) => one.name === key)?.value;
  const is = (key: string, text: RegExp): boolean => {
    const value = named(key);
    return value !== undefined && text.test(textOf(value, source));
  };
  const first = given.find((one) => one.name === undefined)?.value ?? named('args') ?? named('cmd');
  const varies = first !== undefined && !isConstant(first);
  const found: Rule[] = [];
  const add = (rule: Rule, applies: boolean): void => {
    if (applies) found.push(rule);
  };
  add(rules.eval, /^(?:eval|exec|compile)$/.test(callee) && varies);
  add(rules.exec, (EXEC.test(callee) && varies) || isShell(callee, given, source));
  add(rules.shell, is('shell', /^(?:True|1)$/) && varies);
  add(
    rules.sql,
    QUERYING.test(name) && isPutTogether(first, source) && QUERY.test(stringOf(first, source).trimStart()),
  );
  add(rules.template, TEMPLATE.test(callee) && varies);
  add(rules.deserialize, DESERIALIZE.test(callee) && varies);
  add(rules.deserialize, /^yaml\.(?:load|load_all)$/.test(callee) && !hasSafeLoader(given, source));
  add(rules.tls, is('verify', /^False$/) || is('verify_ssl', /^False$/) || is('cert_reqs', /CERT_NONE/));
  add(rules.tls, callee === 'ssl._create_unverified_context');
  add(rules.cipher, /^Crypt(?:o|odome)\.Cipher\.(?:DES3?|ARC[24]|Blowfish)\.new$/.test(callee) || given.some(isEcb));
  add(rules.extract, /^(?:extractall|unpack_archive)$/.test(name) && named('filter') === undefined);
  add(
    rules.listen,
    given.some(({ value }) => /^(?:0\.0\.0\.0|::)$/.test(stringOf(value, source))),
  );
  add(rules.load, /^(?:__import__|importlib\.import_module)$/.test(callee) && varies);
  return found;

  function isEcb({ value }: Argument): boolean {
    return /(?:^|\.)MODE_ECB$|(?:^|\.)modes\.ECB\(\)$/.test(textOf(value, source));
  }
}

const EXEC =
  /^(?:os\.(?:system|popen)|subprocess\.(?:getoutput|getstatusoutput)|asyncio\.create_subprocess_shell|pexpect\.run|pty\.spawn)$/;
const QUERYING = /^(?:execute|executemany|executescript|raw|text|read_sql|read_sql_query)$/;
const TEMPLATE = /^(?:jinja2\.Template|flask\.render_template_string|mako\.template\.Template)$|\.from_string$/;
const DESERIALIZE =
  /^(?:_?pickle|cPickle|cloudpickle|dill|marshal|joblib)\.(?:loads?|Unpickler)$|^(?:shelve\.open|jsonpickle\.decode|pandas\.read_pickle|yaml\.(?:unsafe_load|full_load)(?:_all)?)$/;

/** `subprocess.run(["sh", "-c", x])`, `os.execvp("sh", ["sh", "-c", x])` */
function isShell(callee: string, given: readonly Argument[], source: string): boolean {
  if (!/^(?:subprocess|os|asyncio)\./.test(callee)) return false;
  const items = given.flatMap(({ value }) => (bare(value)?.name === 'ArrayExpression' ? childrenOf(value) : [value]));
  const program = items.findIndex((item) => SHELL.test(stringOf(item, source)));
  const flag = items.findIndex((item, at) => at > program && SHELL_FLAG.test(stringOf(item, source)));
  return program >= 0 && flag >= 0 && items.slice(flag + 1).some((item) => /\w/.test(item.name) && !isConstant(item));
}

function hasSafeLoader(given: readonly Argument[], source: string): boolean {
  return given.some(({ value }) => /(?:^|\.)(?:CSafeLoader|SafeLoader|BaseLoader)$/.test(textOf(value, source)));
}
