import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { UsageError } from '../../src/cli/options.ts';
import { policy } from '../../src/cli/policy.ts';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { toolFacts } from '../../src/gateway/authorization/question.ts';
import { sameTenant } from '../../src/gateway/authorization/tenancy.ts';
import { verifies } from '../support/verifies.ts';
import { files, PUBLIC_FILES, worldWith } from './support.ts';

async function run(words: string, text = PUBLIC_FILES, cases = '', json = false) {
  const out = { stdout: '', stderr: '', code: 0 };
  const io = {
    json,
    stdout: (part: string) => {
      out.stdout += part;
    },
    stderr: (part: string) => {
      out.stderr += part;
    },
  };
  out.code = await policy(words.split(' '), io, async () => ({
    sources: [{ file: 'policies/files.cedar', text }],
    tests: cases ? [{ file: 'policies/files.test.yaml', text: cases }] : [],
    servers: [{ pins: files, tools: {}, tenant: 'acme', deadline: 1, maxResult: 1 }],
    open: async (sources) => ({ ...loadCedar(sources, worldWith([files])), close: async () => undefined }),
    toolFacts,
    sameTenant,
    now: () => Date.UTC(2026, 10, 22, 12),
  }));
  return out;
}

test('policy lint: exit 0 and what policies cannot see; exit 1 with file, line, column and mend', async () => {
  verifies('authz.no-wildcards');
  const good = await run('lint');
  assert.deepEqual([good.code, good.stderr], [0, '']);
  assert.match(good.stdout, /note: policies cannot see head of files\/read_text_file: a number with fractions\n/);
  assert.match(good.stdout, /1 files, 0 errors, 0 warnings\n$/);
  const bad = await run('lint', `\npermit (principal, action, resource);`);
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /^policies\/files\.cedar:2:1: error: permit with its principal unconstrained\n {4}mend: /);
  const { problems, errors } = JSON.parse(
    (await run('lint', 'permit (principal, action, resource);', '', true)).stdout,
  );
  assert.deepEqual([errors, problems[0].line, problems[0].severity], [1, 1, 'error']);
});

const CASES = `
- { subject: alice, tenant: acme, action: files/read_text_file, arguments: { path: /data/public/a }, expect: allow, why: public files are public }
- { subject: alice, tenant: acme, action: files/read_text_file, arguments: { path: /data/public/../a }, expect: deny }
- subject: mallory
  tenant: evil
  action: files/read_text_file
  arguments: { path: /data/public/a }
  expect: deny
`;

test('policy test: prints each case, exit 1 when one does not hold, exit 2 for a case that is not one', async () => {
  verifies('authz.engine');
  const good = await run('test', PUBLIC_FILES, CASES);
  assert.equal(good.code, 0, good.stdout);
  assert.match(good.stdout, /^ok {6}policies\/files\.test\.yaml:2 public files are public: allow\n/);
  assert.match(
    good.stdout,
    /:4 mallory files\/read_text_file: deny\n1 of 1 policies decided a case\n3 held, 0 failed\n$/,
  );
  const bad = await run('test', PUBLIC_FILES.replace('public', 'open'), CASES);
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /failed {2}policies\/files\.test\.yaml:2 .*expected allow, got deny \(no permit applies/);
  await assert.rejects(
    run('test', PUBLIC_FILES, '- { subject: alice, expect: allow }'),
    /files\.test\.yaml:1: tenant: /,
  );
  await assert.rejects(run('test', PUBLIC_FILES, CASES.replace('expect: deny', 'expects: deny')), UsageError);
  await assert.rejects(run('test'), /no cases/);
  assert.equal((await run('test', 'permit (principal, action, resource);', CASES)).code, 2);
});

test('policy test FILE reads JSON too', async () => {
  verifies('authz.engine');
  const dir = mkdtempSync(join(tmpdir(), 'policy-'));
  try {
    const file = join(dir, 'more.json');
    writeFileSync(file, JSON.stringify([{ subject: 'a', tenant: 'acme', action: 'files/write_file', expect: 'deny' }]));
    const { code, stdout } = await run(`test ${file}`, PUBLIC_FILES, '', true);
    assert.deepEqual([code, JSON.parse(stdout).held], [0, 1]);
    await assert.rejects(run(`test ${join(dir, 'none.yaml')}`), UsageError);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('policy explain: the verdict, the policies by file and line, the reason, and whether lists show it', async () => {
  verifies('authz.question');
  const ask = 'explain --subject alice --tenant acme --action files/read_text_file --arguments';
  const yes = await run(`${ask} {"path":"/data/public/a"}`);
  assert.equal(
    yes.stdout,
    'allow: permitted by policies/files.cedar:1\n  determined by policies/files.cedar:1\n  listed for this subject\n',
  );
  assert.match((await run(`${ask} {"path":"/x"}`)).stdout, /^deny: no permit applies \(default deny\)\n/);
  assert.match(
    (await run(`${ask} {"path":"/data/public/.."}`)).stdout,
    /^deny: not canonical: arguments\.path: dot segment/,
  );
  const evil = await run(`${ask.replace('acme', 'evil')} {}`, PUBLIC_FILES, '', true);
  assert.deepEqual(JSON.parse(evil.stdout), {
    verdict: 'deny',
    policies: [],
    detail: 'files is not of the tenant evil',
    visible: false,
    almost: [],
  });
  for (const wrong of [
    'explain',
    'explain --subject a --tenant t --action x --arguments {',
    'nothing',
    'lint x',
    `${ask} {} --hour noon`,
  ])
    await assert.rejects(run(wrong), UsageError, wrong);
});

test('policy test: names the policies that no case is decided by', async () => {
  verifies('authz.engine');
  const more = `${PUBLIC_FILES}forbid (principal, action, resource) when { context.hour < 3 };\n`;
  const { stdout, code } = await run('test', more, CASES);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /untested {2}policies\/files\.cedar:6: no case is decided by it\n1 of 2 policies decided a case\n3 held, 0 failed\n$/,
  );
});

test('policy explain: tells which permit almost applied, and each part of it that would have to change', async () => {
  verifies('authz.engine');
  const asked = 'explain --subject alice --tenant acme --action files/read_text_file --arguments {"path":"/etc/x"}';
  const { stdout } = await run(asked);
  assert.match(
    stdout,
    /policies\/files\.cedar:1 would permit it if\n {4}\(?context\.args\.path\)? like "\/data\/public\/\*"\n$/,
  );
  const late = PUBLIC_FILES.replace('principal in Tenant::"acme"', 'principal in Group::"staff"').replace(
    'when {',
    'when { context.hour < 9 &&',
  );
  const { almost } = JSON.parse((await run(asked, late, '', true)).stdout);
  assert.equal(almost.length, 1);
  assert.equal(almost[0].missing.length, 3);
  assert.match(almost[0].missing[0], /^principal in Group::"staff"$/);
  assert.match(almost[0].missing[1], /hour.* < 9/);
});
