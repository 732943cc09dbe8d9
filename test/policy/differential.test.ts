import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Verdict } from '../../src/contract/policy-engine.ts';
import { cedarEngine } from '../../src/drivers/policy-engine/cedar/engine.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { contextOf } from '../../src/drivers/policy-engine/cedar/schema.ts';
import { parseSources } from '../../src/drivers/policy-engine/cedar/sources.ts';
import { actionsOfPins } from '../../src/drivers/policy-engine/host/actions.ts';
import { verifies } from '../support/verifies.ts';
import { pairs } from './both.ts';
import { opaTest } from './opa.ts';
import { args, asked, shop } from './random.ts';
import { worldWith } from './support.ts';

/** Without the linter: policies that can never apply are as good as others here. */
function cedarOf(text: string) {
  const { policies } = parseSources([{ file: 'test.cedar', text }]);
  const [actions, facts] = [actionsOfPins(worldWith([shop])), Object.keys(contextOf(worldWith([shop]), []))];
  return cedarEngine({ policies, actions, facts, relations: readRelations([]).relations }, { entries: 0, key: 0 });
}

/** Whom most policies are about, so that many answers are yes. */
const likely = asked.map((facts): typeof facts => ({
  ...facts,
  subject: { ...facts.subject, id: 'alice', kind: 'User', tenant: 'acme', groups: ['staff', 'ops'] },
  ...{ action: 'shop/look', tenant: 'acme' },
}));

/** `test.cedar:3` and `test.rego:3` are the same policy. */
const lines = ({ policies }: Verdict) => policies.map((id) => id.split(':')[1]).toSorted();

opaTest('OPA and Cedar give the same answers to the same questions about equivalent policies', async (opa) => {
  verifies('authz.engine', 'authz.question');
  const seen = { asked: 0, allowed: 0, listed: 0, lifted: 0, agreed: 0 };
  await fc.assert(
    fc.asyncProperty(
      pairs,
      fc.array(fc.tuple(fc.oneof(asked, likely), args), { minLength: 14, maxLength: 20 }),
      async ({ cedar, rego }, questions) => {
        const one = cedarOf(cedar);
        const { engine: other, problems, close } = await opa.load(rego, [shop]);
        assert.deepEqual(problems, [], rego);
        for (const [facts, given] of questions) {
          // Fractions are what Cedar alone cannot read.
          const question = { ...facts, arguments: { ...given, count: Math.floor(given.count ?? 1) } };
          const [expected, answer] = [one.decide(question), await other.decide(question)];
          const why = `${cedar}\n${rego}\n${JSON.stringify(question)}\n${expected.detail}\n${answer.detail}`;
          assert.deepEqual([answer.allow, answer.ask], [expected.allow, expected.ask], why);
          if (expected.notCanonical === undefined && answer.notCanonical === undefined && expected.policies.length > 0)
            assert.deepEqual(lines(answer), lines(expected), why);
          const [shown, listed] = [one.visible(facts), await other.visible(facts)];
          if (listed === shown) seen.agreed++;
          if (answer.allow || answer.ask !== undefined) assert.ok(listed, `callable and not listed: ${why}`);
          seen.asked++;
          if (answer.allow) seen.allowed++;
          if (answer.ask !== undefined) seen.lifted++;
          if (listed) seen.listed++;
        }
        await close();
      },
    ),
    { numRuns: 60, endOnFailure: true },
  );
  // Each engine lists what it cannot rule out, and each rules out what the other may not.
  assert.ok(seen.agreed > seen.asked / 2, JSON.stringify(seen));
  assert.ok(seen.asked >= 800 && seen.allowed > 20 && seen.lifted > 3 && seen.listed > 50, JSON.stringify(seen));
});
