import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { decodeJwt } from 'jose';
import { certificate } from '../edge/certificate.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { openBrowser, openPage, spkiOf, withoutChromium } from './support/browser.ts';
import { openDoor } from './support/door.ts';

const alice = { subject: 'alice', tenant: 'acme', groups: [] };

/** Another site, on a name of its own or on ours: what its pages say is up to the test. */
async function openSite(t: { after(fn: () => void): void }, name: string, body: () => string) {
  const identity = await certificate(name);
  const server = createServer({ key: identity.key, cert: identity.cert }, (_request, response) =>
    response.setHeader('content-type', 'text/html').end(body()),
  );
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://${name}:${(server.address() as AddressInfo).port}/`, spki: spkiOf(identity.cert) };
}

suite('in a real browser', { skip: withoutChromium }, () => {
  test('a person enrols a passkey by invitation, signs in, consents; no page needs anything from elsewhere', async (t) => {
    verifies('authn.human');
    const door = await openDoor(t);
    const browser = await openBrowser(t, [door.spki]);
    const { page, authenticator } = await openPage(await browser.newContext());
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(door.origin) && !request.url().startsWith('http://127.0.0.1:'))
        foreign.push(request.url());
    });

    await page.goto(door.issuer.invite(alice, 900));
    await page.getByRole('button', { name: 'Create a passkey' }).click();
    await page.getByRole('heading', { name: 'Your passkey is ready' }).waitFor();
    assert.equal((await authenticator.credentials()).length, 1);

    const { url, verifier } = door.ask({ scope: 'openid' });
    await page.goto(url);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Allow Stock Client to use your tools?' }).waitFor();
    const shown = await page.locator('dl').innerText();
    for (const part of ['stock', 'Use tools in your name', 'Know your name', door.mcp, new URL(door.callback.uri).host])
      assert.ok(shown.includes(part), part);
    const cookies = await page.context().cookies();
    for (const { name, secure, httpOnly, path } of cookies)
      assert.deepEqual([name.startsWith('__Host-'), secure, httpOnly, path], [true, true, true, '/'], name);
    await page.getByRole('button', { name: 'Allow' }).click();
    const query = await door.callback.next();
    const { body } = await door.redeem({
      grant_type: 'authorization_code',
      code: String(query.get('code')),
      code_verifier: verifier,
      redirect_uri: door.callback.uri,
    });
    assert.equal(decodeJwt(String(body.access_token)).sub, 'alice');
    assert.deepEqual([complaints, foreign], [[], []]);
  });

  test('the person says no, or is somebody else: the client gets no code', async (t) => {
    verifies('authn.human');
    const door = await openDoor(t);
    const browser = await openBrowser(t, [door.spki]);
    const { page } = await openPage(await browser.newContext());
    await page.goto(door.issuer.invite(alice, 900));
    await page.getByRole('button').click();
    await page.getByText('is ready').waitFor();
    await page.goto(door.ask().url);
    await page.getByRole('button').click();
    await page.getByRole('button', { name: 'Somebody else?' }).click();
    await page.getByRole('heading', { name: 'Sign in to continue' }).waitFor();
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await page.getByRole('button', { name: 'Deny' }).click();
    const query = await door.callback.next();
    assert.deepEqual([query.get('error'), query.get('code')], ['access_denied', null]);
  });

  test('an authenticator that does not verify its user gets nobody in', async (t) => {
    verifies('authn.human');
    const door = await openDoor(t);
    const browser = await openBrowser(t, [door.spki]);
    const { page, authenticator } = await openPage(await browser.newContext());
    await page.goto(door.issuer.invite(alice, 900));
    await page.getByRole('button').click();
    await page.getByText('is ready').waitFor();
    await authenticator.set(false);
    await page.goto(door.ask().url);
    await page.getByRole('button').click();
    await page.getByText('No passkey was used').waitFor();
    assert.ok(!door.events.some(({ event }) => event === 'signed-in'));
  });

  test('a page of another origin can neither use the passkey, nor relay it, nor frame, nor forge a consent', async (t) => {
    verifies('authn.human');
    const door = await openDoor(t);
    let body = '';
    const evil = await openSite(t, 'evil.test', () => body);
    const neighbour = await openSite(t, 'localhost', () => body);
    const browser = await openBrowser(t, [door.spki, evil.spki, neighbour.spki]);
    const context = await browser.newContext();
    const { page } = await openPage(context);
    await page.goto(door.issuer.invite(alice, 900));
    await page.getByRole('button').click();
    await page.getByText('is ready').waitFor();

    // The thief has a sign-in of his own, and shows its challenge to alice.
    await page.goto(door.ask().url);
    const options = String(await page.locator('form[data-options]').getAttribute('data-options'));
    const csrf = await page.locator('input[name=csrf]').first().inputValue();
    const signInUrl = page.url();
    const steal = `navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(${options}) })
      .then((credential) => JSON.stringify(credential), (error) => error.name)`;
    await page.goto(evil.url);
    assert.equal(await page.evaluate(steal), 'SecurityError');
    await page.goto(neighbour.url);
    const relayed = String(await page.evaluate(steal));
    // He sends it on himself, to the sign-in that it was asked for.
    const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const answer = await door.issuer.handle({
      method: 'POST',
      url: new URL(signInUrl).pathname,
      headers: { cookie, origin: door.origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ credential: relayed, csrf }).toString(),
    });
    assert.equal(answer.status, 403);
    assert.match(String(door.events.at(-1)?.detail), /origin/);

    await page.goto(signInUrl);
    await page.getByRole('button').click();
    await page.getByRole('button', { name: 'Allow' }).waitFor();
    const consentUrl = page.url();
    const consented = () => door.events.some(({ event }) => event === 'consented');

    body = `<iframe src="${consentUrl}" width="900" height="900"></iframe>`;
    await page.goto(evil.url);
    await until(() => page.frames()[1]?.url() === 'chrome-error://chromewebdata/');

    const token = 'name="csrf" value="guessed"';
    body = `<form method="post" action="${consentUrl}"><input ${token}><input name="decision" value="allow"><button>win</button></form>`;
    await page.goto(evil.url);
    await page.getByRole('button', { name: 'win' }).click();
    await page.getByRole('heading').waitFor();
    assert.equal(consented(), false);
    await page.goto(neighbour.url);
    await page.getByRole('button', { name: 'win' }).click();
    await page.getByRole('heading', { name: 'That did not come from this page' }).waitFor();
    assert.equal(consented(), false);
    await page.goto(consentUrl);
    await page.getByRole('button', { name: 'Allow' }).click();
    await door.callback.next();
    assert.equal(consented(), true);
  });

  test('a person reads a call to its end and confirms it; somebody else’s passkey does not', async (t) => {
    verifies('authn.human');
    const door = await openDoor(t);
    const browser = await openBrowser(t, [door.spki]);
    const call = {
      ...{ subject: 'alice', tenant: 'acme', subjectKey: 'k', server: 'bank', tool: 'transfer' },
      arguments: JSON.stringify({ amount: 10, note: '\u202e<img src=x onerror=alert(1)>' }),
    };
    const url = () => {
      const answer = door.issuer.confirm(call);
      assert.ok(answer.kind === 'waiting');
      return answer.url;
    };
    const people = [];
    for (const subject of ['bob', 'alice']) {
      const { page } = await openPage(await browser.newContext());
      page.on('dialog', (dialog) => assert.fail(dialog.message()));
      await page.goto(door.issuer.invite({ ...alice, subject }, 900));
      await page.getByRole('button').click();
      await page.getByText('is ready').waitFor();
      await page.goto(url());
      const shown = await page.locator('pre').innerText();
      assert.match(shown, /"amount": 10,\s+"note": "U\+202E<img src=x onerror=alert\(1\)>"/);
      await page.getByRole('button', { name: 'Confirm with a passkey' }).click();
      people.push(page);
    }
    await people[0]?.getByRole('heading', { name: 'The passkey was not accepted' }).waitFor();
    await people[1]?.getByRole('heading', { name: 'Confirmed' }).waitFor();
    assert.equal(door.issuer.confirm(call).kind, 'confirmed');
    await people[0]?.goto(url());
    await people[0]?.getByRole('button', { name: 'Refuse' }).click();
    await people[0]?.getByRole('heading', { name: 'The call was refused' }).waitFor();
  });
});
