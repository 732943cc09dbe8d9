import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, openBench } from './bench.ts';

test("hands the issuer's endpoints on, bounded, and without what strangers say of hosts and schemes", async () => {
  const seen: unknown[] = [];
  const open = await openBench({
    issuer: async (request) => {
      seen.push(request);
      return { status: 200, headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }, body: 'ok' };
    },
  });
  try {
    const ask = (path: string, wish: Parameters<Bench['send']>[0] = {}) =>
      open.send({ method: 'POST', token: undefined, path, ...wish });
    const good = await ask('/oauth/token?x=1', {
      body: 'a=b',
      headers: { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil' },
    });
    assert.deepEqual([good.status, good.body], [200, 'ok']);
    const [{ url, headers, body }] = seen as [{ url: string; headers: Record<string, string>; body: string }];
    assert.deepEqual(
      [url, body, headers['x-forwarded-host'], headers.forwarded],
      ['/oauth/token?x=1', 'a=b', undefined, undefined],
    );
    assert.equal((await ask('/oauth/token', { body: Buffer.alloc(64 * 1024 + 1) })).status, 413);
    assert.equal((await ask('/oauth/token', { headers: { host: 'evil.example' } })).status, 403);
    for (const path of [
      '/oauth/../mcp',
      '/oauth//x',
      '/oauth/%2e%2e/x',
      '/oauth',
      '/.well-known/openid-configuration/x',
    ]) {
      assert.equal((await ask(path)).status, 404, path);
    }
    assert.equal((await ask('/.well-known/openid-configuration', { method: 'GET' })).status, 200);
    assert.equal((await ask('/.well-known/oauth-authorization-server', { method: 'GET' })).status, 200);
  } finally {
    await open.close();
  }
});

test("the issuer's cookies stay as many lines as they are", async () => {
  const cookies = ['a=1; Path=/oauth; Secure', 'b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT'];
  const open = await openBench({
    issuer: async () => ({ status: 200, headers: { 'set-cookie': cookies }, body: '' }),
  });
  try {
    const { headers } = await open.send({ method: 'POST', token: undefined, path: '/oauth/token' });
    assert.deepEqual(headers['set-cookie'], cookies);
  } finally {
    await open.close();
  }
});

test('an issuer that does not answer, or is asked by too many, is 503, and comes back', async () => {
  let waiting: (() => void)[] = [];
  const hang = () => new Promise<never>((_, reject) => waiting.push(() => reject(new Error('given up'))));
  let answers = false;
  const open = await openBench({
    limits: { body: 2_000 },
    issuer: () => (answers ? Promise.resolve({ status: 200, headers: {}, body: '' }) : hang()),
  });
  try {
    const ask = async () => (await open.send({ path: '/oauth/token', token: undefined })).status;
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, ask))), new Set([503]));
    assert.equal(waiting.length, 16);
    answers = true;
    assert.equal(await ask(), 200);
  } finally {
    for (const giveUp of waiting) giveUp();
    waiting = [];
    await open.close();
  }
});
