import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

let workspace: Workspace;
let product: Product;
before(async () => {
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { burst: 100, daily_usd: 0.5 } }
`,
    'policies/p.cedar':
      'permit (principal in Tenant::"acme", action == Action::"tiny/echo", resource == Tenant::"acme");\n',
  });
  cpSync(join(home, 'bench/support/tiny'), join(workspace.dir, 'tiny'), { recursive: true });
  await workspace.must('add', './tiny', '--name', 'tiny', '--yes', '--', 'node', 'server.mjs');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const cost = "cost: { usd: 'double(size(args.text)) * 0.01', max_usd: 0.2, monthly_usd: 0.8 }";
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)command:.*$/m, `$&\n$1tools: { echo: { ${cost} } }`));
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

const call = async (token: string, text: string): Promise<string> => {
  const { json } = await post(product, callText('tiny__echo', JSON.stringify({ text })), { token });
  return json.result === undefined ? json.error.data.reason : json.result.content[0].text;
};
const budgets = async () => JSON.parse(await workspace.must('budget', '--json')).budgets;

test('a dozen costly calls at once end at the budget, and a new start does not begin a new month', async () => {
  verifies('limits.cost');
  const ten = 'ten chars.';
  const [alice, bob] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  assert.equal(await call(alice, 'x'.repeat(21)), 'budget');
  const answers = await Promise.all(Array.from({ length: 12 }, () => call(alice, ten)));
  assert.deepEqual(
    [answers.filter((one) => one === ten).length, answers.filter((one) => one === 'budget').length],
    [5, 7],
  );
  assert.equal(await call(bob, ten), ten);

  await product.stop();
  product = await workspace.up();
  const [again, other] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  assert.equal(await call(again, 'x'), 'budget');
  assert.deepEqual(await Promise.all([ten, ten, ten].map((text) => call(other, text))).then((all) => all.sort()), [
    'budget',
    ten,
    ten,
  ]);
  const shown = (await budgets()).map(({ kind, name, spent_usd, percent }: Record<string, unknown>) => [
    kind,
    name,
    spent_usd,
    percent,
  ]);
  assert.deepEqual(shown, [
    ['tool', 'tiny/echo', 0.8, 100],
    ['subject', 'User acme alice', 0.5, 100],
    ['subject', 'User acme bob', 0.3, 60],
  ]);
  const records = (await workspace.must('audit', 'tail', '-n', '10000'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const alerts = records
    .filter(({ event }) => event === 'alert')
    .map(({ detail }) => detail.replace(/\["https:[^,]*,/, '['));
  for (const percent of [50, 80, 100])
    assert.equal(
      alerts.filter((text) => text.startsWith(`tool tiny/echo`) && text.includes(` ${percent} %`)).length,
      1,
      alerts.join('\n'),
    );
});
