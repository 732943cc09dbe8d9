import assert from 'node:assert/strict';
import { verifies } from '../support/verifies.ts';
import { opaTest } from './opa.ts';
import { question } from './support.ts';

const SCOPE = [
  'input.principal.tenant == "acme"',
  'input.action == "files/read_text_file"',
  'input.resource.id == "acme"',
];
const policies = (helper: string, ...conditions: readonly string[]) =>
  `package innerkeep\n${helper}\npermit contains "p" if {\n${[...SCOPE, ...conditions].join('\n')}\n}\n`;

/** Ways for an argument to a path, or for the path to it, over what stands beside the permit. */
const WAYS: readonly (readonly [string, ...(readonly string[])])[] = [
  ['open contains "/data/public/"', 'some begin in open', 'startswith(input.context.args.path, begin)'],
  ['asked contains input.context.args.path', 'some path in asked', 'startswith(path, "/data/public/")'],
  ['open := {"/data/public/": 1}', 'some begin, _ in open', 'startswith(input.context.args.path, begin)'],
  ['open["/data/public/"] := true', 'some begin, _ in open', 'startswith(input.context.args.path, begin)'],
  ['asked.by[input.context.args.path] := true', 'some path, _ in asked.by', 'startswith(path, "/data/public/")'],
  ['path := true if { input.context.hour > 25 } else := input.context.args.path', 'startswith(path, "/data/public/")'],
  ['under(path, begin) if startswith(path, begin)', 'under(input.context.args.path, "/data/public/")'],
];

opaTest(
  'a path that is not canonical matches no text, whatever helper of the policy leads from one to the other',
  async (opa) => {
    verifies('authz.engine');
    for (const [helper, ...conditions] of WAYS) {
      const { engine, problems } = await opa.load(policies(helper, ...conditions));
      assert.deepEqual(problems, [], helper);
      assert.equal((await engine.decide(question({ path: '/data/public/a' }))).allow, true, helper);
      const { allow, notCanonical } = await engine.decide(question({ path: '/data/public/../secret' }));
      assert.deepEqual([allow, typeof notCanonical], [false, 'string'], helper);
    }
  },
);

opaTest('what a helper may permit for some argument is listed, and what it cannot is not', async (opa) => {
  verifies('authz.default-deny');
  const helpers: readonly (readonly [string, string])[] = [
    ...WAYS.map(([helper, ...conditions]) => [helper, conditions.join('\n')] as const),
    ['shown contains "z" if startswith(input.context.args.path, "/data/")', '"z" in shown'],
    ['shown if startswith(input.context.args.path, "/data/")', 'shown'],
    ['hidden if startswith(input.context.args.path, "/secret/")', 'not hidden'],
  ];
  for (const [helper, condition] of helpers) {
    const { engine, problems } = await opa.load(policies(helper, condition));
    assert.deepEqual(problems, [], helper);
    assert.equal(await engine.visible(question({})), true, helper);
    assert.equal(await engine.visible(question({}, { action: 'files/write_file' })), false, helper);
    assert.equal(await engine.visible(question({}, { tenant: 'other' })), false, helper);
  }
});

opaTest('a set beside the policies is no policy, and may have the names of another', async (opa) => {
  verifies('authz.engine');
  const { problems, policies: ids } = await opa.load(policies('one contains "a"\nother contains "a"', '"a" in other'));
  assert.deepEqual([problems, ids], [[], ['test.rego:4']]);
});
