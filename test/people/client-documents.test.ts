import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { verifies } from '../support/verifies.ts';
import { openDoor } from './support/door.ts';
import { Visitor } from './support/visitor.ts';

const ID = 'https://client.example/metadata.json';
const alice = { subject: 'alice', tenant: 'acme', groups: [] };

test('a client that nobody registered is known by its document; the person is shown whose it is', async (t) => {
  verifies('authn.human');
  const fetched: string[] = [];
  const documents: Record<string, object> = {};
  const door = await openDoor(t, {
    fetchPublic: async (url) => {
      fetched.push(url);
      const found = documents[url];
      return { status: found === undefined ? 404 : 200, body: Buffer.from(JSON.stringify(found ?? {})) };
    },
  });
  documents[ID] = { client_id: ID, client_name: 'Claude <b>\u202e', redirect_uris: [door.callback.uri] };
  const visitor = new Visitor(door);
  await visitor.enrol(door.issuer.invite(alice, 900));
  const { url, verifier } = door.ask({ client_id: ID });
  const consent = await visitor.assert(await visitor.open(url));
  assert.match(consent.body, /<b><bdi>client\.example<\/bdi><\/b>/);
  assert.match(consent.body, /Claude &lt;b&gt;<mark[^>]*>U\+202E/);
  const away = await visitor.submit({ csrf: consent.field('csrf'), decision: 'allow' });
  const code = String(new URL(away.away).searchParams.get('code'));
  const { body } = await door.redeem({
    client_id: ID,
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: door.callback.uri,
  });
  assert.equal(decodeJwt(String(body.access_token)).client_id, ID);
  assert.deepEqual(fetched, [ID], 'fetched once');

  const bad: Record<string, object> = {
    'https://client.example/other.json': { client_id: ID, redirect_uris: [door.callback.uri] },
    'https://client.example/secret.json': { client_secret: 'x', redirect_uris: [door.callback.uri] },
    'https://client.example/http.json': { redirect_uris: ['http://client.example/callback'] },
    'https://client.example/script.json': { redirect_uris: ['javascript:alert(1)'] },
    'https://client.example/elsewhere.json': { redirect_uris: ['https://client.example/callback'] },
    'https://client.example/implicit.json': {
      redirect_uris: [door.callback.uri],
      response_types: ['token'],
      grant_types: ['implicit'],
    },
  };
  for (const [id, document] of Object.entries(bad)) {
    documents[id] = { client_id: id, ...document };
    const shown = await visitor.open(door.ask({ client_id: id }).url);
    assert.deepEqual([shown.status, shown.away], [400, ''], id);
  }
  for (const id of [
    'http://client.example/x.json',
    'https://client.example/gone.json',
    'https://u:p@client.example/x',
    'https://client.example/a/../b',
    'file:///etc/passwd',
  ])
    assert.equal((await visitor.open(door.ask({ client_id: id }).url)).status, 400, id);
});

test('a client’s document is not fetched from a private address, however it is written', async (t) => {
  verifies('authn.human');
  const outbound = openOutbound(60_000);
  const refused: string[] = [];
  const door = await openDoor(t, {
    fetchPublic: (url) =>
      outbound(url, { trustedHost: '', ca: undefined }).catch((error: Error) => {
        refused.push(error.message);
        throw error;
      }),
  });
  const visitor = new Visitor(door);
  const hosts = [
    '127.0.0.1',
    '169.254.169.254',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '[::ffff:10.0.0.1]',
    'localhost',
    '10.1.2.3',
  ];
  for (const host of hosts) {
    const shown = await visitor.open(door.ask({ client_id: `https://${host}/client.json` }).url);
    assert.equal(shown.status, 400, host);
    assert.doesNotMatch(shown.body, /address|not public/, 'a stranger is not told what was found');
  }
  assert.ok(refused.length >= hosts.length);
  for (const message of refused) assert.match(message, /not public|not allowed/);
});

test('slow hosts of client documents do not keep the issuer from others', async (t) => {
  let waiting = 0;
  const door = await openDoor(t, {
    fetchPublic: () => {
      waiting++;
      return new Promise(() => {});
    },
  });
  const visitor = new Visitor(door);
  for (let n = 0; n < 4; n++) void visitor.open(door.ask({ client_id: `https://slow.example/${n}` }).url);
  assert.equal((await visitor.open(door.ask({ client_id: 'https://slow.example/5' }).url)).status, 400);
  assert.equal(waiting, 4);
  assert.equal((await visitor.open(door.ask().url)).status, 200);
});
