import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, files, load, PUBLIC_FILES, question, worldWith } from './support.ts';

const scope = 'principal in Tenant::"acme", action == Action::"files/read_text_file", resource == Tenant::"acme"';

/** `line:column severity message | mend` of each problem. */
function lint(text: string): readonly string[] {
  return load(text).problems.map(
    ({ line, column, severity, message, mend }) => `${line}:${column} ${severity} ${message} | ${mend}`,
  );
}

test('refuses a permit that is unconstrained in principal, action or resource, or constrained by type alone', () => {
  verifies('authz.no-wildcards');
  const good = [
    'principal in Tenant::"acme"',
    'action == Action::"files/list_directory"',
    'resource == Tenant::"acme"',
  ];
  const wild = [['principal', 'principal is User'], ['action'], ['resource', 'resource is Tenant']];
  for (const [part, forms] of wild.entries()) {
    for (const form of forms) {
      const text = `\n  permit (${good.with(part, form).join(', ')}) when { principal == User::"alice" };`;
      const { engine, problems } = load(text);
      const [problem] = problems;
      assert.deepEqual(
        [problem?.file, problem?.line, problem?.column, problem?.severity],
        ['test.cedar', 2, 3, 'error'],
        form,
      );
      assert.match(
        problem?.message ?? '',
        new RegExp(`^permit with its ${forms[0]} (unconstrained|constrained by type alone)$`),
      );
      assert.ok(problem?.mend.includes(`in \`${forms[0]} `));
      assert.equal(decide(engine, { path: '/x' }, { action: 'files/list_directory' }).allow, false);
    }
  }
  assert.deepEqual(lint(`permit (principal is User in Tenant::"acme", ${good.slice(1).join(', ')});`), []);
  assert.deepEqual(lint('forbid (principal, action, resource) when { principal is Workload };'), []);
});

test('refuses templates', () => {
  verifies('authz.no-wildcards');
  const [problem] = load(
    'permit (principal == ?principal, action == Action::"files/list_directory", resource == Tenant::"acme");',
  ).problems;
  assert.deepEqual([problem?.severity, problem?.message], ['error', 'a template']);
});

test('one error anywhere and nothing is permitted or visible any more', () => {
  verifies('authz.default-deny');
  const { engine } = loadCedar(
    [
      { file: 'a.cedar', text: PUBLIC_FILES },
      { file: 'b.cedar', text: 'permit' },
    ],
    worldWith([files]),
  );
  const asked = question({ path: '/data/public/a' });
  assert.equal(engine.decide(asked).allow, false);
  assert.equal(engine.visible(asked), false);
});

test('names line, column and the nearest name of an action that no pinned server has', () => {
  verifies('authz.engine');
  assert.deepEqual(lint(`${PUBLIC_FILES}\n${PUBLIC_FILES.replace('list_directory', 'list_directroy')}`), [
    '9:54 error no pinned server has the action "files/list_directroy" | did you mean Action::"files/list_directory"?',
  ]);
  assert.match(lint(`forbid (principal, action == Action::"mail/send", resource);`).join(), /see `innerkeep tools`/);
  assert.match(
    lint(`forbid (principal, action, resource) when { action == Action::"files/write_fil" };`).join(),
    /"files\/write_file"/,
  );
});

test('names the nearest argument, also where only `has` asks for it, and the nearest fact of the context', () => {
  verifies('authz.engine');
  assert.deepEqual(lint(`permit (${scope})\nwhen { context.args.pth like "/d/*" };`), [
    '2:21 error no action in this policy\'s scope has the argument "pth" | did you mean "path"?',
  ]);
  assert.match(
    lint(`forbid (principal, action, resource) when { context.args has pth };`).join(),
    /did you mean "path"/,
  );
  assert.match(
    lint(`permit (${scope}) when { context.hours < 3 };`).join(),
    /context has no "hours" \| did you mean context\.hour\?/,
  );
});

test('refuses what could fail or never apply: optional arguments unasked, wrong types, a forbid that cannot hold', () => {
  verifies('authz.engine');
  assert.match(
    lint(`permit (${scope}) when { context.mfa_age_s < 300 };`).join(),
    /error .*optional attribute.*has mfa_age_s/,
  );
  assert.match(lint(`permit (${scope}) when { context.args.path > 3 };`).join(), /error/);
  assert.match(lint(`forbid (principal, action, resource) when { context.args.path like "/etc/*" };`).join(), /error/);
  assert.match(
    lint('forbid (principal, action, resource) when { principal is User && principal is Workload };').join(),
    /error .*impossible/,
  );
  assert.match(
    lint(
      `permit (principal in Teant::"acme", action == Action::"files/list_directory", resource == Tenant::"acme");`,
    ).join(),
    /`Tenant`/,
  );
});

test('says when a policy reads an argument that Cedar cannot type', () => {
  verifies('authz.engine');
  assert.match(
    lint(`permit (${scope}) when { context.args has head };`).join(),
    /^1:\d+ error Cedar cannot see the argument "head": head of files\/read_text_file is a number with fractions/,
  );
});

test('names the place of a syntax error, in a text with more than ASCII', () => {
  verifies('authz.engine');
  assert.match(
    lint(`// \u00e9\u00e9\u00e9\n${PUBLIC_FILES}permit (${scope})\n  when { "\u00e9\u00e9" == context. };`).join(),
    /^8:\d+ error/,
  );
  assert.match(lint(PUBLIC_FILES.replace(';', '')).join(), /end each policy with `;`/);
  assert.match(lint('permit (principal, action, resource) when { "unfinished };').join(), /error/);
});

test('loses no policy to a line that only another reader takes for a comment', () => {
  verifies('authz.default-deny');
  const forbid = 'forbid (principal, action, resource);';
  for (const text of [
    `// note\r${forbid}\n${PUBLIC_FILES}`,
    `\ufeff// note\r\n${forbid}${PUBLIC_FILES}`,
    `@note("//") ${forbid} // ;"\n${PUBLIC_FILES}`,
  ]) {
    const { engine, problems } = load(text);
    const verdict = decide(engine, { path: '/data/public/a' });
    assert.equal(verdict.allow, false, text);
    assert.ok(problems.length > 0 || verdict.policies.length === 1);
  }
  for (const separator of ['\u2028', '\u0085', '\v', '\f'])
    assert.equal(
      decide(load(`// note${separator}${forbid}\n${PUBLIC_FILES}`).engine, { path: '/data/public/a' }).allow,
      true,
    );
});

test('refuses a policy that would exhaust the parser, and goes on working', () => {
  verifies('authz.default-deny');
  for (const body of [
    '('.repeat(5000),
    Array(2000).fill('true').join(' || '),
    '!'.repeat(3000),
    `context${'.args'.repeat(3000)}`,
    '['.repeat(100),
  ])
    assert.match(lint(`forbid (principal, action, resource) when { ${body} };`).join(), /1:1 error/);
  assert.deepEqual(lint(PUBLIC_FILES), []);
});

test('decides and lists by a policy that is as long as it may be', () => {
  verifies('authz.engine');
  for (const term of ['context.args.path == "/a"', 'context.hour == 25']) {
    const terms = Array(100).fill(term).join(' || ');
    const engine = engineOf(`permit (${scope}) when { ${terms} || context.args.path like "/b/*" };`);
    assert.equal(decide(engine, { path: '/b/a' }).allow, true);
    assert.equal(decide(engine, { path: '/c/a' }).allow, false);
    assert.equal(engine.visible(question(undefined)), true);
  }
});

test('refuses an integer that JavaScript would round', () => {
  verifies('authz.engine');
  const problems = lint(`permit (${scope}) when { context.hour < 9007199254740993 };`);
  assert.match(problems.join(), /1:1 error an integer beyond/);
});

test('refuses two files of one name', () => {
  const source = { file: 'a.cedar', text: PUBLIC_FILES };
  assert.match(loadCedar([source, source], worldWith([files])).problems[0]?.message ?? '', /same name/);
});
