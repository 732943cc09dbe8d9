import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PolicyEngine } from '../../src/contract/policy-engine.ts';
import { verifies } from '../support/verifies.ts';
import { noOpa, startOpa } from './opa.ts';
import { engineOf, files, question, server, tool } from './support.ts';

/** A server whose calls are about projects, and one of files: the same policies in both languages. */
const forge = server('forge', [
  tool('push', { owner: { type: 'string' }, repo: { type: 'string' } }, ['owner', 'repo']),
]);
const CEDAR = `
permit (principal in Tenant::"acme", action in [Action::"files/read_text_file", Action::"files/list_directory"], resource == Tenant::"acme")
when { context.args.path like "/data/public/*" };
permit (principal in Group::"writers", action == Action::"files/write_file", resource == Tenant::"acme");
forbid (principal, action, resource) when { context.hour >= 22 };
@ask("operator") forbid (principal, action == Action::"files/write_file", resource) when { context.session.reads.containsAll(["private", "untrusted"]) };
@ask("caller") forbid (principal, action == Action::"files/write_file", resource) when { context.ip_risk > 50 };
`;
const REGO = `package innerkeep
permit contains "public" if {
	input.principal.tenant == "acme"
	input.action in ["files/read_text_file", "files/list_directory"]
	input.resource.id == "acme"
	startswith(input.context.args.path, "/data/public/")
}
permit contains "writers" if {
	"writers" in input.principal.groups
	input.action == "files/write_file"
	input.resource.id == "acme"
}
forbid contains "night" if input.context.hour >= 22
ask_operator contains "lethal" if {
	input.action == "files/write_file"
	"private" in input.context.session.reads
	"untrusted" in input.context.session.reads
}
ask_caller contains "risk" if {
	input.action == "files/write_file"
	input.context.ip_risk > 50
}
`;

const engines: readonly (readonly [string, string | false, (t: TestContext) => Promise<PolicyEngine>])[] = [
  ['Cedar', false, async () => engineOf(CEDAR, [files, forge])],
  ['OPA', noOpa, async (t) => (await (await startOpa(t)).load(REGO, [files, forge])).engine],
];

for (const [name, skip, open] of engines) {
  const engineTest = (title: string, run: (engine: PolicyEngine) => Promise<void>) =>
    test(`${name}: ${title}`, { skip }, async (t) => run(await open(t)));

  engineTest(
    'denies what no policy permits: other tenants, tools, paths, hours, and what does not exist',
    async (engine) => {
      verifies('authz.default-deny', 'authz.engine');
      const allows = async (...asked: Parameters<typeof question>) => (await engine.decide(question(...asked))).allow;
      assert.equal(await allows({ path: '/data/public/a' }), true);
      assert.equal(await allows({ path: '/data/secret/a' }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { tenant: 'evil' }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { hour: 22 }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { action: 'files/nothing' }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { action: 'toString' }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { action: 'files/write_file' }), false);
      assert.equal(await allows({ path: '/data/public/a' }, { resource: { project: 'x/y' } }), false);
      assert.equal(await allows({ path: ['/data/public/a'] }), false);
      assert.equal(await allows(undefined), false);
      for (const hour of [Number.NaN, 24, -1]) assert.equal(await allows({ path: '/data/public/a' }, { hour }), false);
    },
  );

  engineTest('refuses what is not canonical where a policy compares a path', async (engine) => {
    verifies('authz.question');
    for (const path of ['/data/public/../secret', '/data/public//a', 'data/public/a', '/data/public/%2e%2e/a']) {
      const { allow, notCanonical } = await engine.decide(question({ path }));
      assert.deepEqual([allow, typeof notCanonical], [false, 'string'], path);
    }
  });

  engineTest(
    'asks the right person where only what may be lifted stands against it, and nobody else',
    async (engine) => {
      verifies('authz.question');
      const write = { action: 'files/write_file', groups: ['writers'] };
      const who = async (more: object) => {
        const { allow, ask } = await engine.decide(question({ path: '/x', content: '' }, { ...write, ...more }));
        return allow ? 'allowed' : (ask ?? 'denied');
      };
      const lethal = { session: { reads: ['untrusted', 'private'] } };
      assert.equal(await who({}), 'allowed');
      assert.equal(await who({ session: { reads: ['private'] } }), 'allowed');
      assert.equal(await who(lethal), 'operator');
      assert.equal(await who({ ipRisk: 80 }), 'caller');
      assert.equal(await who({ ...lethal, ipRisk: 80 }), 'operator');
      assert.equal(await who({ ...lethal, hour: 23 }), 'denied');
      assert.equal(await who({ ...lethal, groups: [] }), 'denied');
    },
  );

  engineTest(
    'lists exactly what can be called with some arguments, and never by guessing what is not known',
    async (engine) => {
      verifies('authz.default-deny');
      const actions = [...files.tools.map(({ name: one }) => `files/${one}`), 'forge/push', 'files#resources/read'];
      const listed = async (more: object) => {
        const seen = await Promise.all(
          actions.map((action) => engine.visible(question(undefined, { ...more, action }))),
        );
        return actions.filter((_, index) => seen[index]);
      };
      const [read, list, write] = ['files/read_text_file', 'files/list_directory', 'files/write_file'];
      assert.deepEqual(await listed({}), [read, list]);
      assert.deepEqual(await listed({ groups: ['writers'] }), [read, list, write]);
      assert.deepEqual(
        await listed({ groups: ['writers'], ipRisk: 99, session: { reads: ['private', 'untrusted'] } }),
        [read, list, write],
      );
      assert.deepEqual(await listed({ hour: 22 }), []);
      assert.deepEqual(await listed({ tenant: 'evil' }), []);
    },
  );
}
