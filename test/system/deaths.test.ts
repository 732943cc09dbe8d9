import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { family, gone } from '../support/processes.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

const config = `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
servers:
  hostile:
    root: ./hostile
    command: [node, server.mjs]
    mounts: [{ from: ./journal, to: /journal, mode: rw }]
`;
const policy = 'permit (principal in Tenant::"acme", action == Action::"hostile/slow", resource == Tenant::"acme");\n';

let workspace: Workspace;
before(async () => {
  workspace = new Workspace({ 'innerkeep.yaml': config, 'policies/p.cedar': policy });
  mkdirSync(join(workspace.dir, 'journal'));
  chmodSync(workspace.dir, 0o755);
  chmodSync(join(workspace.dir, 'journal'), 0o777);
  cpSync(join(import.meta.dirname, 'hostile'), join(workspace.dir, 'hostile'), { recursive: true });
  await workspace.must('add', './hostile', '--name', 'hostile', '--yes', '--', 'node', 'server.mjs');
});
after(() => workspace?.remove());

type Victim = (product: Product) => number | undefined;
const zone =
  (name: string): Victim =>
  (product) =>
    family(product.pid).find(({ command }) => command.includes(`zone-${name}`))?.pid;
const victims: Readonly<Record<string, Victim>> = {
  'zone 0': (product) => product.pid,
  'the gateway': zone('gateway'),
  'the runtime': zone('runtime'),
  'a sandbox': (product) => family(product.pid).find(({ command }) => command.includes('bwrap'))?.pid,
};

for (const [name, victim] of Object.entries(victims)) {
  test(`kill -9 of ${name} in mid-call: no sandbox survives, the chain verifies, each call that ran has its intent`, async () => {
    verifies('observe.audit', 'sandbox.isolation');
    writeFileSync(join(workspace.dir, 'journal/calls'), '');
    chmodSync(join(workspace.dir, 'journal/calls'), 0o666);
    const product = await workspace.up();
    const token = await product.token();
    const texts = Array.from({ length: 6 }, (_, at) => `${name} ${at} ${Math.random()}`);
    const calls = texts.map((text) =>
      post(product, callText('hostile__slow', JSON.stringify({ text })), { token }).catch(() => undefined),
    );
    // The first call has reached its server.
    await until(() => readFileSync(join(workspace.dir, 'journal/calls'), 'utf8') !== '');
    const everyone = family(product.pid).map(({ pid }) => pid);
    const pid = victim(product);
    assert.ok(pid !== undefined, `${name} was not found`);
    process.kill(pid, 'SIGKILL');
    await Promise.all(calls);
    if (name === 'a sandbox') await product.stop();
    await gone(everyone);

    // The next start takes the log up where it was left; its chain holds from the first line on.
    await (await workspace.up()).stop();
    assert.match(await workspace.must('audit', 'verify'), /^holds/);
    const records = readFileSync(join(workspace.dir, '.innerkeep/audit/audit.jsonl'), 'utf8');
    const ran = readFileSync(join(workspace.dir, 'journal/calls'), 'utf8').trimEnd().split('\n');
    for (const text of ran) {
      const params = JSON.stringify({ name: 'slow', arguments: { text } });
      assert.ok(records.includes(createHash('sha256').update(params).digest('base64url')), `no intent for ${text}`);
    }
  });
}
