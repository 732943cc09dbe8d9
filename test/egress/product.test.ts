import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { AuditRecord } from '../../src/contract/audit-sink.ts';
import { absent } from '../sandbox/support/hosted.ts';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

const config = `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 100000/min, burst: 10000 } }
servers:
  fetcher:
    root: ./fetcher
    command: [node, server.mjs]
    sandbox: { egress: ["api.example.invalid:443"] }
`;
const policy = 'permit (principal in Tenant::"acme", action == Action::"fetcher/fetch", resource == Tenant::"acme");\n';

suite('a tool with a way out, in the running product', { skip: absent('bubblewrap') }, () => {
  let workspace: Workspace;
  let product: Product;
  before(async () => {
    workspace = new Workspace({ 'innerkeep.yaml': config, 'policies/p.cedar': policy });
    chmodSync(workspace.dir, 0o755);
    mkdirSync(join(workspace.dir, 'fetcher'));
    cpSync(join(import.meta.dirname, 'programs/server.mjs'), join(workspace.dir, 'fetcher/server.mjs'));
    await workspace.must('add', './fetcher', '--name', 'fetcher', '--yes', '--', 'node', 'server.mjs');
    product = await workspace.up();
  });
  after(async () => {
    await product?.stop();
    workspace?.remove();
  });

  test('what it tries to reach is on record, under the call, its subject and its tenant; alerts are marked', async () => {
    verifies('sandbox.egress', 'observe.audit');
    const token = await product.token();
    const tried = {
      'http://169.254.169.254/latest/meta-data/': ['169.254.169.254:80', 'host', true],
      'https://api.example.invalid/': ['api.example.invalid:443', 'unresolved', undefined],
      'https://other.example.org/': ['other.example.org:443', 'not-listed', undefined],
    } as const;
    for (const url of Object.keys(tried)) {
      const reply = await post(product, callText('fetcher__fetch', JSON.stringify({ url })), { token });
      // The tool hears a bare refusal.
      assert.match(reply.text, /"failed: /);
      assert.doesNotMatch(reply.text, /not-listed|no rule|ENOTFOUND|metadata\)/);
    }
    const lines = (await workspace.must('audit', 'tail', '-n', '1000')).trim().split('\n');
    const records = lines.map((line) => JSON.parse(line) as AuditRecord);
    const intents = records.filter(({ event }) => event === 'intent').map(({ incident }) => incident);
    const attempts = records.filter(({ event, incident }) => event === 'egress' && incident !== undefined);
    assert.deepEqual(
      attempts.map(({ target, code, alert }) => [target, code, alert]),
      Object.values(tried),
    );
    assert.deepEqual(
      attempts.map(({ incident }) => incident),
      intents,
    );
    for (const { subject, tenant, action, server, via } of attempts)
      assert.deepEqual({ subject, tenant, action, server, via }, { ...who, via: 'connect' });
    assert.match(await workspace.must('audit', 'verify'), /^holds/);
  });

  test('what its server tries before any call is on record too, and in the log', async () => {
    verifies('sandbox.egress');
    const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '1000', '--json')) as {
      records: AuditRecord[];
    };
    const early = records.find(({ event, incident }) => event === 'egress' && incident === undefined);
    const { server, target, code, alert, subject } = early ?? {};
    assert.deepEqual(
      { server, target, code, alert, subject },
      { server: 'fetcher', target: 'metadata.google.internal:80', code: 'host', alert: true, subject: undefined },
    );
    await until(() => /"event":"egress-alert".*metadata\.google\.internal:80/.test(product.stderr()));
  });
});

const who = { subject: 'alice', tenant: 'acme', action: 'fetcher/fetch', server: 'fetcher' };
