import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, openPage, spkiAt, withoutChromium } from '../people/support/browser.ts';
import { callText, post } from '../support/http.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { openHouse } from './support/authorized-house.ts';

test('in a real browser: the page names all of it, a passkey leads to the issuer and back; no frame, nothing from elsewhere before', {
  skip: withoutChromium,
}, async (t) => {
  verifies('authn.human', 'authn.no-passthrough');
  const { product, issuer, crm } = await openHouse(t);
  const origin = new URL(product.ready.mcp).origin;
  const browser = await openBrowser(t, [await spkiAt(origin, product.ca), await spkiAt(issuer.url, issuer.ca)]);
  const { page } = await openPage(await browser.newContext());
  await page.goto((await product.workspace.must('people', 'invite', '--subject', 'alice', '--tenant', 'acme')).trim());
  await page.getByRole('button').click();
  await page.getByText('is ready').waitFor();

  const token = await product.token('--subject', 'alice', '--tenant', 'acme');
  const look = async () => (await post(product, callText('crm__who', '{}'), { token })).json;
  const { url } = (await look()).error.data;
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(url);
  const shown = await page.locator('dl').innerText();
  for (const part of [crm.url, issuer.url, 'crm.read', crm.audience, 'gateway', 'alice', 'acme'])
    assert.ok(shown.includes(part), part);
  assert.deepEqual(
    requests.filter((one) => !one.startsWith(origin)),
    [],
  );
  issuer.person = 'alice@crm';
  await page.getByRole('button', { name: 'Go on with a passkey' }).click();
  await page.getByRole('heading', { name: 'innerkeep can use crm for you now' }).waitFor();
  assert.equal((await look()).result.content[0].text, 'alice@crm');
  const left = (await page.context().cookies()).filter(({ name }) => name.includes('upstream'));
  for (const { secure, httpOnly, sameSite, path } of left)
    assert.deepEqual([secure, httpOnly, sameSite, path], [true, true, 'Lax', '/']);

  const framing = await page.context().newPage();
  await framing.goto(`${issuer.url}/interaction-none`).catch(() => undefined);
  await framing.setContent(`<iframe src="${url}"></iframe><iframe src="${origin}/oauth/account"></iframe>`);
  const framed = () => framing.frames().slice(1);
  await until(
    () => framed().length === 2 && framed().every((frame) => frame.url() === 'chrome-error://chromewebdata/'),
  );
});
