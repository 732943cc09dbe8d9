import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { callText, post } from '../support/http.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { openHouse } from './support/authorized-house.ts';

test('a person’s first call leads to a page of ours, the issuer, and back; then the call carries his own bound token', async (t) => {
  verifies('authn.no-passthrough', 'authn.audience');
  const { product, issuer, crm, person } = await openHouse(t);
  const alice = await person('alice');
  const look = async (token: string, tool = 'who') =>
    (await post(product, callText(`crm__${tool}`, '{}'), { token })).json;
  const token = await product.token('--subject', 'alice', '--tenant', 'acme');

  const first = (await look(token)).error;
  assert.deepEqual([first.message, first.data.reason], ['Authorization needed', 'approval']);
  assert.equal((await look(token)).error.data.url, first.data.url, 'it waits once');
  assert.equal(crm.letIn.length, 0);
  const shown = await alice.open(first.data.url);
  for (const named of [crm.url, issuer.url, 'crm.read', 'gateway', 'alice', 'innerkeep'])
    assert.ok(shown.body.includes(named), named);
  assert.ok(!shown.body.includes('crm.write'));
  assert.ok(!issuer.requests.some((path) => path.includes('/auth')), 'nobody was sent anywhere yet');

  const away = await alice.assert(shown);
  const request = new URL(away.attribute('href')).searchParams;
  assert.equal(request.get('code_challenge_method'), 'S256');
  assert.equal(request.get('resource'), crm.audience);
  assert.match(request.get('dpop_jkt') ?? '', /^[\w-]{43}$/);
  issuer.person = 'alice@crm';
  const back = await issuer.walk(away.attribute('href'));
  assert.ok(new URL(back).searchParams.has('iss'));
  assert.match((await alice.open(back)).body, /can use/);
  assert.equal((await look(token)).result.content[0].text, 'alice@crm');
  assert.equal((await alice.open(back)).status, 404, 'an answer of the issuer counts once');
  assert.ok(crm.letIn.every(({ scheme, nonce }) => scheme === 'DPoP' && nonce === crm.nonce));
  crm.nonce = 'another';
  assert.equal((await look(token)).result.content[0].text, 'alice@crm', 'a new nonce of the server’s is taken up');

  // Nobody else's.
  const bobs = await product.token('--subject', 'bob', '--tenant', 'acme');
  assert.equal((await look(bobs)).error.data.reason, 'approval');
  const elsewhere = await product.token('--subject', 'alice', '--tenant', 'beta');
  assert.equal((await look(elsewhere)).error.data.reason, 'approval');

  // More, when the server wants it, and no more than the operator has allowed.
  const wanted = (await look(token, 'write')).error;
  assert.equal(wanted.data.reason, 'approval');
  await alice.authorize(wanted.data.url, issuer);
  assert.equal((await look(token, 'write')).result.content[0].text, 'written by alice@crm');

  // No file, log or record has what the server was shown.
  const records = readFileSync(join(product.workspace.dir, '.innerkeep/audit/audit.jsonl'), 'utf8');
  const grants = join(product.workspace.dir, '.innerkeep/grants');
  const kept = readdirSync(grants).map((file) => readFileSync(join(grants, file), 'utf8'));
  assert.equal(kept.length, 2, 'one grant and the key');
  for (const one of crm.letIn)
    for (const text of [records, product.stderr(), ...kept]) assert.ok(!text.includes(one.token));
  await product.stop();
  const again = await product.workspace.up();
  t.after(() => again.stop());
  assert.equal((await post(again, callText('crm__who', '{}'), { token })).json.result.content[0].text, 'alice@crm');
});

test('another browser, another person, a form or answer of somebody else’s gets nowhere (MCP Security Best Practices, RFC 9207)', async (t) => {
  verifies('authn.no-passthrough');
  const { product, issuer, crm, person } = await openHouse(t);
  const [alice, mallory] = [await person('alice'), await person('mallory')];
  const call = async (subject: string) => {
    const token = await product.token('--subject', subject, '--tenant', 'acme');
    return (await post(product, callText('crm__who', '{}'), { token })).json;
  };
  const url: string = (await call('alice')).error.data.url;
  assert.equal((await mallory.confirm(url)).status, 403, 'another person’s passkey');
  const shown = await alice.open(url);
  const foreign = { origin: 'https://evil.example' };
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential: '' }, foreign)).status, 403);
  assert.equal((await alice.submit({ csrf: 'guessed', credential: '' })).status, 403);
  assert.match(String(alice.headers['content-security-policy']), /frame-ancestors 'none'/);

  // Mallory agrees for himself, and has alice's browser finish it with her account: it would be his to use.
  const his: string = (await call('mallory')).error.data.url;
  issuer.person = 'alice@crm';
  const lure = await issuer.walk((await mallory.confirm(his)).attribute('href'));
  assert.equal((await alice.open(lure)).status, 404);
  assert.equal((await mallory.open(lure)).status, 404, 'an answer that was tried elsewhere is spent');
  assert.equal((await call('mallory')).error.data.reason, 'approval');

  // Mix-up: the answer of another issuer, or for another server.
  const answer = new URL(await issuer.walk((await alice.confirm(url)).attribute('href')));
  const changed = (change: (to: URL) => void) => {
    const to = new URL(answer);
    change(to);
    return to.href;
  };
  const state = answer.searchParams.get('state') ?? '';
  assert.equal((await alice.open(changed((to) => to.searchParams.set('state', `${state}x`)))).status, 404);
  assert.equal((await alice.open(changed((to) => to.searchParams.append('state', state)))).status, 404);
  assert.equal((await alice.open(changed((to) => to.searchParams.set('iss', 'https://evil.example')))).status, 403);
  assert.equal((await alice.open(answer.href)).status, 404, 'spent');
  const other = new URL(await issuer.walk((await alice.confirm(url)).attribute('href')));
  other.pathname = '/oauth/authorized/other';
  assert.equal((await alice.open(other.href)).status, 404);
  const noIssuer = new URL(await issuer.walk((await alice.confirm(url)).attribute('href')));
  noIssuer.searchParams.delete('iss');
  assert.equal((await alice.open(noIssuer.href)).status, 403);
  assert.equal(crm.letIn.length, 0);
  await alice.authorize(url, issuer);
  assert.equal((await call('alice')).result.content[0].text, 'alice@crm');
});

test('stock clients of both eras are led there; the older one is told when its person has been there', async (t) => {
  verifies('authn.no-passthrough');
  const { product, issuer, person, fetch } = await openHouse(t);
  const alice = await person('alice');
  const connected = async (mode: 'legacy' | { readonly pin: string }, subject: string) => {
    const token = await product.token('--subject', subject, '--tenant', 'acme');
    const options = { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode } };
    const client = new Client({ name: 'stock', version: '1' }, options as never);
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(product.ready.mcp), { fetch, requestInit }));
    t.after(() => client.close());
    return client;
  };
  issuer.person = 'alice@crm';
  const legacy = await connected('legacy', 'alice');
  const completed = new Promise<string>((resolve) =>
    legacy.setNotificationHandler('notifications/elicitation/complete', ({ params }) => resolve(params.elicitationId)),
  );
  const error: unknown = await legacy.callTool({ name: 'crm__who', arguments: {} }).catch((reason) => reason);
  assert.ok(error instanceof UrlElicitationRequiredError, String(error));
  const [elicitation] = error.elicitations;
  await alice.authorize(String(elicitation?.url), issuer);
  assert.equal(await completed, elicitation?.elicitationId);
  assert.match(JSON.stringify(await legacy.callTool({ name: 'crm__who', arguments: {} })), /alice@crm/);

  const bob = await person('bob');
  issuer.person = 'bob@crm';
  const modern = await connected({ pin: '2026-07-28' }, 'bob');
  modern.setRequestHandler('elicitation/create', async ({ params }) => {
    assert.ok(params.mode === 'url');
    await bob.authorize(params.url, issuer);
    return { action: 'accept' };
  });
  assert.match(JSON.stringify(await modern.callTool({ name: 'crm__who', arguments: {} })), /bob@crm/);
});

test('what is withdrawn, or refused by its issuer, is gone: from our disk at once, and from the issuer', async (t) => {
  verifies('authn.no-passthrough');
  const { product, issuer, crm, person } = await openHouse(t, { life: 1 });
  const alice = await person('alice');
  const token = await product.token('--subject', 'alice', '--tenant', 'acme');
  const look = async () => (await post(product, callText('crm__who', '{}'), { token })).json;
  issuer.person = 'alice@crm';
  await alice.authorize((await look()).error.data.url, issuer);
  assert.equal((await look()).result.content[0].text, 'alice@crm');
  await look();
  assert.ok(new Set(crm.letIn.map((one) => one.token)).size > 1, 'it was renewed');

  const listed = JSON.parse(await product.workspace.must('people', 'grants', '--json'));
  assert.deepEqual(
    listed.grants.map((one: Record<string, unknown>) => [one.subject, one.tenant, one.server, one.scope]),
    [['alice', 'acme', 'crm', ['crm.read']]],
  );
  await product.workspace.must('people', 'withdraw', 'alice', '--server', 'crm');
  const { url } = (await look()).error.data;
  assert.deepEqual(JSON.parse(await product.workspace.must('people', 'grants', '--json')).grants, []);
  assert.deepEqual(readdirSync(join(product.workspace.dir, '.innerkeep/grants')), ['key']);
  await until(() => issuer.requests.includes('POST /token/revocation'));

  await alice.authorize(url, issuer);
  assert.equal((await look()).result.content[0].text, 'alice@crm');
  // The issuer ends it.
  await issuer.endGrants();
  assert.equal((await look()).error.data.reason, 'approval');
  assert.deepEqual(readdirSync(join(product.workspace.dir, '.innerkeep/grants')), ['key']);
});
