import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { callText, post } from '../support/http.ts';
import { verifies } from '../support/verifies.ts';
import { type House, openHouse } from './support/house.ts';
import type { Visitor } from './support/visitor.ts';

let house: House;
let alice: Visitor;
let bob: Visitor;
let token: string;
before(async () => {
  house = await openHouse();
  [alice, bob] = [await house.person('alice'), await house.person('bob')];
  // A sign-in that is as good as can be: it confirms nothing.
  token = await house.product.token('--subject', 'alice', '--tenant', 'acme', '--acr', 'mfa');
});
after(() => house?.stop());

const ECHO = 'everything__echo';
/** One call without a session and without capabilities; `args` is raw JSON. */
const call = (args: string, more: { readonly token?: string; readonly path?: string; readonly tool?: string } = {}) =>
  post(house.product, callText(more.tool ?? ECHO, args), {
    token: more.token ?? token,
    ...(more.path && { path: more.path }),
  });

const records = () =>
  readFileSync(join(house.product.workspace.dir, '.innerkeep/audit/audit.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

async function connected(mode: 'legacy' | 'modern', elicitation: object | undefined) {
  const negotiation = mode === 'modern' ? { pin: '2026-07-28' } : 'legacy';
  const capabilities = elicitation === undefined ? {} : { elicitation };
  const client = new Client({ name: 'stock', version: '1' }, {
    capabilities,
    versionNegotiation: { mode: negotiation },
  } as never);
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(house.product.ready.mcp), { fetch: house.fetch, requestInit }),
  );
  return client;
}

test('a call that nobody confirmed does not happen, whatever its token says of its sign-in', async () => {
  verifies('authn.human');
  const refused = await call('{"message":"one"}');
  assert.equal(refused.status, 403);
  assert.match(String(refused.headers['www-authenticate']), /error="insufficient_user_authentication"/);
  assert.equal(refused.json.error.data.reason, 'step-up');
  assert.equal(refused.json.error.message, 'Confirmation needed');
  assert.equal((await call('{"message":"one"}')).json.error.data.url, refused.json.error.data.url, 'it waits once');
  const [record] = records().filter(({ incident }) => incident === refused.json.error.data.incident);
  assert.deepEqual([record.event, record.code, record.action], ['refusal', 'step-up', 'everything/echo']);
  assert.equal(
    (await call('{"a":1,"b":2}', { tool: 'everything__get-sum' })).status,
    200,
    'other tools are not asked for',
  );
});

test('a confirmed call happens once; another spelling of it is the same, other arguments are another call', async () => {
  verifies('authn.human');
  const args = '{"message":"pay 10"}';
  const { url } = (await call(args)).json.error.data;
  const shown = await alice.open(url);
  assert.match(shown.body, /pay 10/);
  assert.match((await alice.confirm(url)).body, /Confirmed/);
  for (const other of ['{"message":"pay 100"}', '{"message":"pay 10 "}', '{"message":"PAY 10"}'])
    assert.equal((await call(other)).json.error.data.reason, 'step-up', other);
  const foreign = await house.product.token('--subject', 'bob', '--tenant', 'acme');
  assert.equal((await call(args, { token: foreign })).json.error.data.reason, 'step-up', 'of another subject');
  const done = await call('{ "message" : "pay\\u002010" }');
  assert.match(done.text, /pay 10/);
  assert.equal(done.status, 200);
  assert.equal((await call(args)).json.error.data.reason, 'step-up', 'used up');
  const [intent] = records().filter(({ event, confirmation }) => event === 'intent' && confirmation !== undefined);
  assert.ok(url.endsWith(intent.confirmation));
});

test('of many that make a confirmed call at one moment, one gets it', async () => {
  verifies('authn.human');
  const args = '{"message":"race"}';
  await alice.confirm((await call(args)).json.error.data.url);
  const answers = await Promise.all(Array.from({ length: 12 }, () => call(args)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
});

test('the confirmation of one endpoint’s call is that of the same call elsewhere, and of no other server or tenant', async () => {
  verifies('authn.human');
  const args = '{"message":"where"}';
  await alice.confirm((await call(args)).json.error.data.url);
  const elsewhere = await house.product.token('--subject', 'alice', '--tenant', 'other');
  assert.equal((await call(args, { token: elsewhere })).json.error.message, 'Unknown tool, prompt or resource');
  assert.equal((await call(args, { path: '/mcp/everything', tool: 'echo' })).status, 200);
  assert.equal((await call(args)).status, 403);
});

test('another person’s passkey confirms nothing, and neither does a click, a replay, or a passkey for another page', async () => {
  verifies('authn.human');
  const { url } = (await call('{"message":"mine"}')).json.error.data;
  assert.equal((await bob.confirm(url)).status, 403);
  const shown = await alice.open(url);
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential: '' })).status, 403);
  assert.equal((await alice.submit({ csrf: shown.field('csrf') })).status, 403);
  assert.equal((await alice.submit({ csrf: 'guessed', credential: '' })).status, 403);
  const other = (await call('{"message":"theirs"}')).json.error.data.url;
  const page = await alice.open(other);
  const credential = alice.key.get(page.attribute('data-options'), new URL(url).origin);
  alice.at = new URL(url).pathname;
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential })).status, 403);
  assert.equal((await call('{"message":"mine"}')).json.error.data.reason, 'step-up');
  const unverified = await alice.confirm(url, { userVerified: false });
  assert.equal(unverified.status, 403);

  const refusing = await alice.open(url);
  assert.match((await alice.submit({ csrf: refusing.field('csrf'), decision: 'refuse' })).body, /was refused/);
  assert.equal((await alice.open(url)).status, 404);
});

test('input that nobody asked for is not carried past a confirmation; a client’s word for it is none', async () => {
  verifies('authn.human');
  const modern = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': ECHO,
  };
  const meta =
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}';
  const body = (more: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${ECHO}","arguments":{"message":"hi"},${meta}${more}}}`;
  const asked = await post(house.product, body(''), { token, headers: modern });
  const { params } = asked.json.result.inputRequests['innerkeep/step-up'];
  await alice.confirm(params.url);
  const smuggled = await post(house.product, body(',"inputResponses":{"other":{"action":"accept"}}'), {
    token,
    headers: modern,
  });
  assert.deepEqual([smuggled.json.error.data.reason, smuggled.json.error.data.url], ['step-up', undefined]);
  const accepted = await post(house.product, body(',"inputResponses":{"innerkeep/step-up":{"action":"accept"}}'), {
    token,
    headers: modern,
  });
  assert.match(accepted.text, /Echo: hi/);
  const again = await post(house.product, body(',"inputResponses":{"innerkeep/step-up":{"action":"accept"}}'), {
    token,
    headers: modern,
  });
  assert.equal(again.json.result.resultType, 'input_required', 'a client that says so is not a person who did');
});

test('a stock client of 2025-11-25 gets −32042 with the address; the retry passes', async () => {
  verifies('authn.human');
  const client = await connected('legacy', { url: {} });
  const asked = { name: ECHO, arguments: { message: 'legacy' } };
  const error: unknown = await client.callTool(asked).catch((reason) => reason);
  assert.ok(error instanceof UrlElicitationRequiredError, String(error));
  const [elicitation] = error.elicitations;
  assert.match((await alice.confirm(String(elicitation?.url))).body, /Confirmed/);
  assert.match(JSON.stringify(await client.callTool(asked)), /Echo: legacy/);
  await client.close();
});

test('a stock client of 2026-07-28 is asked in its call, and goes on by itself', async () => {
  verifies('authn.human');
  const client = await connected('modern', { url: {} });
  let visits = 0;
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    visits++;
    assert.ok(params.mode === 'url');
    await alice.confirm(params.url);
    return { action: 'accept' };
  });
  const answer = await client.callTool({ name: ECHO, arguments: { message: 'modern' } });
  assert.match(JSON.stringify(answer), /Echo: modern/);
  assert.equal(visits, 1);
  await client.close();
});

test('a client that accepts without a person, or has no address to lead to, gets nothing', async () => {
  verifies('authn.human');
  const hasty = await connected('modern', { url: {} });
  hasty.setRequestHandler('elicitation/create', async () => ({ action: 'accept' }));
  await assert.rejects(hasty.callTool({ name: ECHO, arguments: { message: 'hasty' } }));
  await hasty.close();
  const plain = await connected('legacy', { form: {} });
  await assert.rejects(plain.callTool({ name: ECHO, arguments: { message: 'plain' } }), /Confirmation needed|403/);
  await plain.close();
});
