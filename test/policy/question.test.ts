import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTemplate, resourceOf, resourceUid } from '../../src/contract/resource-mapping.ts';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { ipRiskBy } from '../../src/gateway/authorization/ip-risk.ts';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, files, load, question, server, tool, worldWith } from './support.ts';

const repo = { owner: { type: 'string' }, repo: { type: 'string' } };
const forge = {
  pins: server('forge', [
    tool('read', repo, ['owner', 'repo'], {}, true),
    tool('push', repo, ['owner', 'repo']),
    tool('me', {}),
  ]),
  resource: { project: '{owner}/{repo}' },
};
const world = { servers: [forge], facts: { ip_risk: false, device: false } };
const at = (text: string) => loadCedar([{ file: 'test.cedar', text }], world);
const scope = 'principal in Tenant::"acme", action == Action::"forge/push"';

test('a call is about the project that its arguments name, and what names none plainly is about nothing', () => {
  verifies('authz.question');
  const { engine, problems } = at(`permit (${scope}, resource == Project::"acme/web/shop");`);
  assert.deepEqual(problems, []);
  const push = (project: string, tenant = 'acme') =>
    decide(engine, {}, { action: 'forge/push', tenant, resource: { project } }).allow;
  assert.deepEqual([push('web/shop'), push('web/other'), push('web/shop', 'evil')], [true, false, false]);
  // Without the mapping's answer there is no question of this kind.
  assert.match(decide(engine, {}, { action: 'forge/push' }).detail, /about a Project, not a Tenant/);
  for (const owner of ['..', '.', 'a/b', 'a:b', 'a%2fb', 'a b', '', 'e\u0301', 'a\u202eb', 7.5, null, ['a']])
    assert.equal(typeof resourceOf({ project: '{owner}/{repo}' }, { owner, repo: 'x' }), 'string', String(owner));
  assert.deepEqual(resourceOf({ project: '{owner}/{repo}' }, { owner: 'a', repo: 7 }), { project: 'a/7' });
  assert.equal(typeof resourceOf({ project: '{owner}/{repo}' }, { owner: 'a' }), 'string');
  // A tenant whose name looks like another's with a project of it.
  assert.notEqual(resourceUid('a', { project: 'b/c' }).id, resourceUid('a/b', { project: 'c' }).id);
  assert.deepEqual(
    [isTemplate('{a}/{b}'), isTemplate('a'), isTemplate('{a'), isTemplate('{a}}')],
    [true, false, false, false],
  );
});

test('a whole tenant is reached by `in`; a tool without the arguments is about the tenant itself', () => {
  verifies('authz.question');
  const { engine } = at(
    `permit (principal in Tenant::"acme", action in [Action::"forge/push", Action::"forge/me"], resource in Tenant::"acme");`,
  );
  const push = decide(engine, {}, { action: 'forge/push', resource: { project: 'web/shop' } });
  assert.deepEqual([push.allow, decide(engine, {}, { action: 'forge/me' }).allow], [true, true]);
});

test('lists show a tool of which some resource, address and history could be permitted, and no other', () => {
  verifies('authz.default-deny', 'authz.question');
  const sees = (text: string, asked = {}) =>
    at(text).engine.visible(question(undefined, { action: 'forge/push', ...asked }));
  assert.equal(sees(`permit (${scope}, resource == Project::"acme/web/shop");`), true);
  assert.equal(
    sees(`permit (${scope}, resource in Tenant::"acme") when { context.session.reads.contains("private") };`),
    true,
  );
  assert.equal(sees(`permit (${scope}, resource in Tenant::"evil");`), false);
  assert.equal(sees(`permit (${scope}, resource in Tenant::"acme") when { context.hour < 9 };`), false);
  const all = `permit (${scope}, resource in Tenant::"acme");`;
  assert.equal(sees(`${all} forbid (principal, action, resource == Project::"acme/web/shop");`), true);
  assert.equal(sees(`${all} forbid (principal, action, resource) when { resource in Project::"acme/x" };`), true);
  assert.equal(sees(`${all} forbid (principal, action, resource in Tenant::"acme");`), false);
});

test('all read-only tools of a server are a group that is made of the pins; a list of every action is a wildcard', () => {
  verifies('authz.no-wildcards');
  const group = 'action in Action::"forge#read-only"';
  const { engine, problems } = at(`permit (principal in Tenant::"acme", ${group}, resource in Tenant::"acme");`);
  assert.deepEqual(problems, []);
  const may = (action: string) => decide(engine, {}, { action, resource: { project: 'a/b' } }).allow;
  assert.deepEqual([may('forge/read'), may('forge/push')], [true, false]);
  const equal = at(
    `permit (principal in Tenant::"acme", action == Action::"forge#read-only", resource in Tenant::"acme");`,
  );
  assert.match(equal.problems[0]?.message ?? '', /no pinned server has the action/);
  const one = worldWith([server('solo', [tool('go', {})])]);
  const every = [
    'solo/go',
    ...['resources/read', 'resources/subscribe', 'prompts/get', 'resources/list', 'completion/complete'].map(
      (m) => `solo#${m}`,
    ),
    ...['elicitation/create', 'sampling/createMessage', 'roots/list'].map((m) => `solo#${m}`),
  ];
  const listed = (names: readonly string[]) =>
    loadCedar(
      [
        {
          file: 'x.cedar',
          text: `permit (principal in Tenant::"acme", action in [${names.map((name) => `Action::"${name}"`).join()}], resource == Tenant::"acme");`,
        },
      ],
      one,
    ).problems;
  assert.match(listed(every)[0]?.message ?? '', /action naming every action/);
  assert.deepEqual(listed(every.slice(1)), []);
});

test('names what this gateway is not told, labels that no tool has, and counts of tools that are not there', () => {
  verifies('authz.engine');
  const found = (when: string) =>
    at(`forbid (principal, action, resource) when { ${when} };`)
      .problems.map(({ message, mend }) => `${message} | ${mend}`)
      .join();
  assert.match(found('context.ip_risk > 50'), /context has no "ip_risk"/);
  assert.match(found('context has device'), /context has no "device"/);
  assert.match(
    found('context.session.reads.contains("privat")'),
    /no tool has the label "privat" \| did you mean "private"/,
  );
  assert.match(found('context.session.calls["forge/pus"] > 3'), /has no "forge\/pus" \| did you mean .*forge\/push/);
  assert.match(found('context.session has red'), /has no "red" \| did you mean context\.session\.reads/);
  assert.match(found('Group::"a" in Group::"b"'), /`in` is asked of something that is in nothing/);
  assert.equal(found('context.tool.writes.contains("external") && context.session.calls["forge/push"] > 3'), '');
  assert.match(
    load('@aks("caller") forbid (principal, action, resource);').problems[0]?.message ?? '',
    /no annotation @aks/,
  );
});

test('decides by weekday, address, device, and what the tool and its session have done', () => {
  verifies('authz.question');
  const may = (when: string, asked = {}) =>
    decide(
      engineOf(
        `permit (principal in Tenant::"acme", action == Action::"files/list_directory", resource == Tenant::"acme") when { ${when} };`,
      ),
      { path: '/x' },
      { action: 'files/list_directory', ...asked },
    ).allow;
  assert.deepEqual([may('context.weekday < 6'), may('context.weekday == 7')], [false, true]);
  assert.deepEqual(
    [0, 80].map((ipRisk) => may('context.ip_risk < 50', { ipRisk })),
    [true, false],
  );
  const device = 'context has device && context.device == "compliant"';
  assert.deepEqual(
    [{}, { device: 'compliant' }, { device: 'lost' }].map((asked) => may(device, asked)),
    [false, true, false],
  );
  assert.deepEqual(
    [true, false].map((step_up) => may('context.tool.step_up', { tool: { step_up } })),
    [true, false],
  );
  const few = 'context.session.calls["files/list_directory"] < 2';
  assert.deepEqual(
    [1, 2].map((n) => may(few, { session: { calls: { 'files/list_directory': n } } })),
    [true, false],
  );
  assert.equal(may('context.ip_risk < 50', { ipRisk: 0.5 }), false);
  assert.equal(files.name, 'files');
});

test('the smallest network counts, an unlisted address has no risk, and what is no address has all of it', () => {
  verifies('authz.question');
  const risk = ipRiskBy({ '203.0.113.0/24': 80, '203.0.113.7/32': 5, '2001:db8::/32': 60 });
  assert.deepEqual(
    ['203.0.113.9', '203.0.113.7', '::ffff:203.0.113.9', '2001:db8::1', '198.51.100.1', 'unix', undefined].map(risk),
    [80, 5, 80, 60, 0, 100, 0],
  );
  assert.equal(ipRiskBy(undefined)('203.0.113.9'), undefined);
});
