import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, load, PUBLIC_FILES, question } from './support.ts';

test("loads the contract's policy as it stands, without a problem", () => {
  verifies('authz.engine', 'authz.question');
  assert.deepEqual(load(PUBLIC_FILES).problems, []);
});

test('permits what the policy names, and says which line permitted it', () => {
  verifies('authz.engine', 'authz.question');
  const engine = engineOf(`// first line\n\n${PUBLIC_FILES}`);
  const verdict = decide(engine, { path: '/data/public/a.txt' });
  assert.deepEqual(verdict, { allow: true, policies: ['test.cedar:3'], detail: 'permitted by test.cedar:3' });
  assert.equal(decide(engine, { path: '/data/public/x' }, { action: 'files/list_directory' }).allow, true);
});

test('denies what no permit names: another path, tool, tenant, server; no policy at all', () => {
  verifies('authz.default-deny');
  const engine = engineOf(PUBLIC_FILES);
  assert.equal(decide(engine, { path: '/data/private/a.txt' }).allow, false);
  assert.equal(decide(engine, { path: '/data/public/a', content: '' }, { action: 'files/write_file' }).allow, false);
  assert.equal(decide(engine, { path: '/data/public/a' }, { tenant: 'evil' }).allow, false);
  assert.equal(decide(engine, { path: '/data/public/a' }, { action: 'other/read_text_file' }).allow, false);
  assert.equal(decide(engineOf(''), { path: '/data/public/a' }).allow, false);
  assert.match(decide(engine, { path: '/data/private/a.txt' }).detail, /default deny/);
});

test('denies a subject of one tenant on the resources of another, and the other way round', () => {
  verifies('authz.default-deny', 'authz.question');
  const engine = engineOf(PUBLIC_FILES);
  const asked = question({ path: '/data/public/a' });
  assert.equal(engine.decide({ ...asked, tenant: 'evil' }).allow, false);
  assert.equal(engine.decide({ ...asked, subject: { ...asked.subject, tenant: 'evil' } }).allow, false);
});

test('a forbid wins over every permit, and is named', () => {
  verifies('authz.engine');
  const engine = engineOf(`${PUBLIC_FILES}forbid (principal, action, resource) when { context.hour < 6 };`);
  assert.equal(decide(engine, { path: '/data/public/a' }, { hour: 6 }).allow, true);
  const night = decide(engine, { path: '/data/public/a' }, { hour: 5 });
  assert.deepEqual([night.allow, night.policies], [false, ['test.cedar:6']]);
});

test('decides by group, kind of principal, authentication and its age', () => {
  verifies('authz.question');
  const scope = 'action == Action::"files/list_directory", resource == Tenant::"acme"';
  const engine = engineOf(`
    permit (principal in Group::"staff", ${scope});
    permit (principal == Workload::"spiffe://acme/job", ${scope});
    permit (principal in Tenant::"acme", ${scope}) when { principal has acr && principal.acr == "phr" && context has mfa_age_s && context.mfa_age_s <= 300 };
    permit (principal in Tenant::"acme", ${scope}) when { principal.groups.contains("ops") && principal.tenant == "acme" };`);
  const asked = { action: 'files/list_directory' };
  const args = { path: '/data' };
  assert.equal(decide(engine, args, asked).allow, false);
  assert.equal(decide(engine, args, { ...asked, groups: ['staff'] }).allow, true);
  assert.equal(decide(engine, args, { ...asked, groups: ['ops'] }).allow, true);
  assert.equal(decide(engine, args, { ...asked, kind: 'Workload', id: 'spiffe://acme/job' }).allow, true);
  assert.equal(decide(engine, args, { ...asked, kind: 'User', id: 'spiffe://acme/job' }).allow, false);
  assert.equal(decide(engine, args, { ...asked, acr: 'phr', mfaAge: 300 }).allow, true);
  assert.equal(decide(engine, args, { ...asked, acr: 'phr', mfaAge: 301 }).allow, false);
  assert.equal(decide(engine, args, { ...asked, acr: 'phr' }).allow, false);
});

test('names policies of several files by file and line, two on one line apart', () => {
  verifies('authz.engine');
  const one =
    'permit (principal in Tenant::"acme", action == Action::"files/list_directory", resource == Tenant::"acme");';
  const engine = engineOf(`// é\n@id("a;b") ${one} ${one}`);
  const { policies } = decide(engine, { path: '/x' }, { action: 'files/list_directory' });
  assert.deepEqual(policies, ['test.cedar:2', `test.cedar:2:${'@id("a;b") '.length + one.length + 2}`]);
});
