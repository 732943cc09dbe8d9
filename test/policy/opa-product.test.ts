import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { callText, post } from '../support/http.ts';
import { Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { noOpa, startOpa } from './opa.ts';

const tools = ['look', 'write'].map((name) => ({ name, inputSchema: { type: 'object', properties: {} } }));
/** A remote server that does what it is told. */
const remote = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  const about = { capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } };
  const answers: Readonly<Record<string, unknown>> = {
    initialize: { protocolVersion: '2025-11-25', ...about },
    'tools/list': { tools },
    'tools/call': { content: [{ type: 'text', text: `${params?.name} done` }] },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method] ?? {} }));
});

const permit = (...names: readonly string[]) => `package innerkeep

permit contains "notes" if {
	input.principal.id == "alice"
	input.action in ${JSON.stringify(names.map((name) => `notes/${name}`))}
	input.resource.tenant == "acme"
}
`;
const CASES = `- { subject: alice, tenant: acme, action: notes/look, expect: allow }
- { subject: bob, tenant: acme, action: notes/look, expect: deny }
`;

/** The text, once it says that OPA is away. */
async function shown(text: () => string | Promise<string>): Promise<string> {
  for (let turn = 0; ; turn++) {
    const now = await text();
    if (now.includes('the policy engine does not answer')) return now;
    if (turn > 1000) throw new Error(now);
    await wait(100);
  }
}

test('up with OPA: it decides and lists, a push is judged first, and without it nothing passes', {
  skip: noOpa,
  timeout: 400_000,
}, async (t) => {
  verifies('authz.engine', 'authz.no-wildcards', 'authz.default-deny');
  const opa = await startOpa(t);
  remote.listen(0, '127.0.0.1');
  t.after(() => remote.close());
  await once(remote, 'listening');
  const address = remote.address();
  const workspace = new Workspace({
    'innerkeep.yaml': [
      'edge: { listen: "127.0.0.1:0" }',
      'admin: { listen: "127.0.0.1:0" }',
      `policies: { engine: opa, url: "${opa.url}" }`,
      '',
    ].join('\n'),
    'policies/p.rego': permit('look'),
    'policies/p.test.yaml': CASES,
  });
  t.after(() => workspace.remove());
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  await workspace.must('add', url, '--name', 'notes', '--yes');
  const write = (text: string) => writeFileSync(join(workspace.dir, 'policies/p.rego'), text);

  assert.match(await workspace.must('policy', 'lint'), /1 files, 0 errors/);
  assert.match(await workspace.must('policy', 'test'), /1 of 1 policies decided a case\n2 held, 0 failed/);
  const asked = ['--subject', 'bob', '--tenant', 'acme', '--action', 'notes/look'];
  assert.match(await workspace.must('policy', 'explain', ...asked), /^deny: [\s\S]*OPA does not tell/);
  write(permit('look').replace(/\tinput.principal.*\n/, ''));
  const linted = await workspace.run('policy', 'lint');
  assert.deepEqual([linted.code, /p\.rego:3: error: permit with its principal uncon/.test(linted.stdout)], [1, true]);
  const started = await workspace.run('up', '--json');
  assert.deepEqual([started.code, /p\.rego:3:1: .*unconstrained/.test(started.stderr)], [2, true], started.stderr);

  write(permit('look'));
  const product = await workspace.up();
  t.after(() => product.stop());
  const token = await product.token();
  const call = (name: string) => post(product, callText(`notes__${name}`, '{}'), { token });
  const listed = async () => {
    const { json } = await post(product, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { token });
    return json.result.tools.map(({ name }: { name: string }) => name);
  };
  assert.equal((await call('look')).json.result?.content[0].text, 'look done');
  assert.deepEqual(await listed(), ['notes__look']);

  write(permit('look').replace('if {', 'if {\n\thttp.send({"url": "http://127.0.0.1:1/", "method": "get"})'));
  const pushed = await workspace.run('policy', 'push');
  assert.deepEqual([pushed.code, /p\.rego:3:1: the function http\.send/.test(pushed.stderr)], [1, true], pushed.stderr);
  assert.deepEqual(await listed(), ['notes__look']);
  write(permit('look', 'write'));
  await workspace.must('policy', 'push');
  assert.deepEqual(await listed(), ['notes__look', 'notes__write']);

  await opa.stop();
  const refused = await call('look');
  assert.equal(refused.json.result, undefined, refused.text);
  const { incident } = refused.json.error.data;
  assert.match(incident, /^inc_/);
  await shown(() => product.stderr());
  assert.ok((await shown(() => workspace.must('audit', 'tail'))).includes(incident));
  const away = await workspace.run('policy', 'push');
  assert.deepEqual([away.code, /policies: OPA cannot be asked: /.test(away.stderr)], [2, true], away.stderr);
});
