import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { type MutableToken, OAuth2Server } from 'oauth2-mock-server';
import { openPki } from '../../src/control-plane/pki/pki.ts';
import { callText, post } from '../support/http.ts';
import { verifies } from '../support/verifies.ts';
import { type House, openHouse } from './support/house.ts';
import { Memory } from './support/memory.ts';

/** Somebody else's OpenID provider, over TLS; there everybody is alice of acme. */
let house: House;
let provider: OAuth2Server;
let issuer: string;
let ca: string;
const memory = new Memory();
const folder = mkdtempSync(join(tmpdir(), 'ik-issuer-'));

before(async () => {
  const pki = await openPki(folder, Date.now);
  const { key, cert } = await pki.leaf(['127.0.0.1']);
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  ca = pki.caPem;
  provider = new OAuth2Server(file('key.pem', key), file('cert.pem', cert));
  await provider.issuer.keys.generate('RS256');
  await provider.start(0, '127.0.0.1');
  issuer = `https://127.0.0.1:${provider.address().port}`;
  provider.issuer.url = issuer;
  house = await openHouse(
    `{ issuers: [{ issuer: "${issuer}", tenant_claim: org, ca: ${join(folder, 'pki/ca.pem')} }] }`,
  );
  provider.service.on('beforeTokenSigning', ({ payload }: MutableToken) => {
    Object.assign(payload, {
      sub: 'alice',
      org: 'acme',
      aud: house.product.ready.mcp,
      iat: Math.floor(Date.now() / 1000),
    });
  });
});
after(async () => {
  await provider?.stop();
  await house?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The client's browser: at this provider nobody is asked anything. */
async function visit(url: URL): Promise<URLSearchParams> {
  const answer = await house.trusting(ca)(url, { redirect: 'manual' });
  return new URL(String(answer.headers.get('location'))).searchParams;
}

test('a stock client signs in at an issuer of somebody else’s, from nothing', async () => {
  verifies('authn.human', 'authn.audience');
  const url = new URL(house.product.ready.mcp);
  const options = { authProvider: memory, fetch: house.trusting(ca) };
  const transport = new StreamableHTTPClientTransport(url, options);
  await assert.rejects(new Client({ name: 'stock', version: '1' }).connect(transport), UnauthorizedError);
  assert.equal(memory.authorization?.origin, issuer);
  assert.equal(memory.authorization.searchParams.get('resource'), house.product.ready.mcp);
  await transport.finishAuth(await visit(memory.authorization));
  const client = new Client({ name: 'stock', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(url, options));
  const called = await client.callTool({
    name: 'files__read_text_file',
    arguments: { path: '/data/public/hello.txt' },
  });
  assert.match(JSON.stringify(called.content), /hello/i);
  await client.close();
});

test('the embedded issuer mints, and signs in, nobody beside it; its passkeys confirm calls of that issuer’s subjects', async () => {
  verifies('authn.human');
  const { product } = house;
  const own = await product.workspace.run('people', 'invite', '--subject', 'alice', '--tenant', 'acme');
  assert.equal(own.code, 2);
  assert.match(own.stderr, /subject: ISSUER#SUB/);
  const call = () =>
    post(product, callText('everything__echo', '{"message":"theirs"}'), {
      token: String(memory.tokens()?.access_token),
    });
  const { url } = (await call()).json.error.data;
  const stranger = await house.person(`${issuer}#mallory`);
  assert.equal((await stranger.confirm(url)).status, 403);
  const alice = await house.person(`${issuer}#alice`);
  assert.match((await alice.confirm(url)).body, /Confirmed/);
  assert.match((await call()).text, /Echo: theirs/);
});
