import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { noSpire, startSpire } from './support/spire.ts';

const ROBOT = 'spiffe://example.org/ns/acme/robot';
const LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
const ports = 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n';
const tenants = 'tenants: { /ns/acme: acme }';

const pems = (text: string): readonly string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];

interface Own {
  readonly cert?: string;
  readonly key?: string;
  readonly authorization?: string;
  readonly agent?: Agent;
}

function list(product: Product, { authorization, agent, ...own }: Own): Promise<{ status: number; text: string }> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
    ...(authorization && { authorization }),
  };
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', ca: product.ca, headers, agent: agent ?? false, ...own };
    const sent = request(product.ready.mcp, options, async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      resolve({ status: answer.statusCode ?? 0, text });
    });
    sent.on('error', reject).end(LIST);
  });
}

test('a workload of a real SPIRE comes in by its X.509-SVID and its JWT-SVID, and by nobody else’s', {
  skip: noSpire,
  timeout: 400_000,
}, async (t) => {
  verifies('authn.workload');
  const spire = await startSpire(t, ROBOT);
  const spiffe = `identity: { spiffe: { trust_domain: example.org, workload_api: "unix://${spire.socket}", ${tenants} } }\n`;
  const workspace = new Workspace({ 'innerkeep.yaml': ports + spiffe, 'policies/none.cedar': '' });
  t.after(() => workspace.remove());
  const product = await workspace.up();
  t.after(() => product.stop());

  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const first = { ...(await spire.svids())[0], agent };
  assert.equal((await list(product, first)).status, 200);
  const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '20', '--json'));
  const heard = records.findLast(({ subject }: { subject?: string }) => subject !== undefined);
  assert.deepEqual([heard.subject, heard.tenant], [ROBOT, 'acme']);
  const jwt = async (audience: string) => {
    const said = await spire.agent('api', 'fetch', 'jwt', '-audience', audience);
    return { authorization: `Bearer ${/ey[\w-]+\.[\w-]+\.[\w-]+/.exec(said)?.[0]}` };
  };
  assert.equal((await list(product, await jwt(product.ready.mcp))).status, 200);
  for (const nobody of [{}, await jwt('https://other.example/mcp')]) {
    const answer = await list(product, nobody);
    assert.deepEqual([answer.status, JSON.parse(answer.text).error.code], [421, 1421]);
  }

  // Another authority comes into force while a connection is open; SVIDs of either count, and nothing is dropped.
  const before = pems(await spire.server('bundle', 'show', '-format', 'pem')).map((pem) => new X509Certificate(pem));
  const id = (said: string): string => JSON.parse(said).prepared_authority.authority_id;
  const prepared = id(await spire.server('localauthority', 'x509', 'prepare', '-output', 'json'));
  await spire.server('localauthority', 'x509', 'activate', '-authorityID', prepared, '-output', 'json');
  await spire.server(
    'entry',
    'create',
    '-parentID',
    'spiffe://example.org/agent',
    '-spiffeID',
    `${ROBOT}-2`,
    '-selector',
    `unix:uid:${process.getuid?.()}`,
    '-x509SVIDTTL',
    '120',
  );
  await until(async () => {
    const isNew = ({ cert }: Own): boolean =>
      !before.some((root) => new X509Certificate(cert ?? '').verify(root.publicKey));
    const second = (await spire.svids()).find(isNew);
    return second !== undefined && (await list(product, second)).status === 200;
  });
  assert.equal((await list(product, first)).status, 200);
  // What was known stays known while the Workload API is away.
  await spire.stopAgent();
  assert.equal((await list(product, first)).status, 200);
});

test('does not start without the trust bundle that its configuration names: exit 2, and which key', async (t) => {
  verifies('authn.workload');
  const fails = async (spiffe: string, bundle: string, message: RegExp) => {
    const yaml = `${ports}identity: { spiffe: { trust_domain: example.org, ${spiffe} } }\n`;
    const workspace = new Workspace({ 'innerkeep.yaml': yaml, 'policies/none.cedar': '' });
    t.after(() => workspace.remove());
    writeFileSync(join(workspace.dir, 'bundle.pem'), bundle);
    const { code, stderr } = await workspace.run('up', '--json');
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  };
  await fails('bundle: ./bundle.pem', 'nothing', /innerkeep\.yaml:3:\d+: identity\.spiffe\.bundle: no authority in it/);
  await fails('bundle: ./bundle.pem', '{"keys":[{"use":"x509-svid"}]}', /spiffe\.bundle: .*exactly one certificate/);
  await fails('bundle: ./absent.pem', '', /spiffe\.bundle: .*is not there/);
  await fails('bundle: ./bundle.pem, workload_api: "unix:///x"', '', /exactly one of bundle, workload_api/);
  await fails('workload_api: "tcp://127.0.0.1:1"', '', /a Workload API is unix:/);
  await fails('workload_api: "unix:///absent.sock"', '', /spiffe\.workload_api: .*ENOENT/);
});
