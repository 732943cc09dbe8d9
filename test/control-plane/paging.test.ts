import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { levelKey, type Turned } from '../../src/contract/breaker.ts';
import { NoSecret, type SecretStore } from '../../src/contract/secret-store.ts';
import { pageOf } from '../../src/control-plane/paging/page.ts';
import { Pager, type Post } from '../../src/control-plane/paging/pager.ts';
import type { Receiver } from '../../src/control-plane/paging/receivers.ts';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { Outbox } from '../../src/main/outbox.ts';
import { TestClock } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';

const SECRET = 'the-secret-of-operations';
const AT = Date.parse('2026-11-29T12:00:00Z');
const evidence = { calls: 40, slow: 1, faults: 21 };
const opened: Turned = { key: levelKey('warehouse/query'), to: 'open', evidence };
const closed: Turned = { ...opened, to: 'closed' };
const page = (turned: Turned, at = AT) => pageOf(turned, 'https://mcp.example:8443', at);

interface Heard {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A receiver on loopback; what it answers is the test's to say. */
async function receiver(t: TestContext, answer: (response: ServerResponse, heard: Heard) => void) {
  const heard: Heard[] = [];
  const server = createServer(async (request, response) => {
    const one = { path: request.url ?? '', headers: request.headers, body: await text(request) };
    heard.push(one);
    answer(response, one);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

function pagerFor(t: TestContext, to: Omit<Receiver, 'ca'>, post: Post = openOutbound(20_000)) {
  const clock = new TestClock();
  const faults: string[] = [];
  const running = new Set<string>();
  const store: SecretStore = {
    async lease(name) {
      if (name.ref !== 'on-call' || name.tenant !== 'operations') throw new NoSecret(name);
      running.add('one');
      return { id: 'one', value: SECRET, version: 1, until: 0 };
    },
    revoke: async (id) => void running.delete(id),
  };
  const fault = (why: string) => void faults.push(why);
  const deps = { post, store, tenant: 'operations', clock, fault };
  const pager = new Pager({ ...to, ca: undefined }, deps);
  t.after(() => pager.close());
  return { pager, clock, faults, running };
}

/** Lets the pager's pauses pass until that is so. */
async function until(is: () => boolean, clock: TestClock): Promise<void> {
  for (const end = Date.now() + 120_000; !is(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    assert.ok(Date.now() < end, 'it did not come to that');
    if (clock.timers > 0) clock.pass(300_000);
  }
}

test('PagerDuty has one incident, with its evidence, and it is closed by the same key (Events API v2)', async (t) => {
  verifies('limits.breaker');
  const incidents = new Map<string, string>();
  const { url, heard } = await receiver(t, (response, { body }) => {
    const { routing_key, event_action, dedup_key, payload } = JSON.parse(body);
    const isWhole =
      event_action === 'resolve' ||
      (typeof payload?.summary === 'string' &&
        payload.summary.length <= 1024 &&
        typeof payload.source === 'string' &&
        ['critical', 'error', 'warning', 'info'].includes(payload.severity) &&
        !Number.isNaN(Date.parse(payload.timestamp)));
    if (routing_key !== SECRET || !isWhole || dedup_key.length > 255) return response.writeHead(400).end();
    incidents.set(dedup_key, event_action);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"success"}');
  });
  const { pager, clock, running } = pagerFor(t, { kind: 'pagerduty', url: `${url}/v2/enqueue`, secret: 'on-call' });
  pager.tell(page(opened));
  pager.tell(page({ ...opened, key: levelKey('warehouse/query', { tenant: 'acme' }) }));
  await until(() => heard.length === 2, clock);
  assert.deepEqual([...incidents.values()], ['trigger', 'trigger']);
  const [first, second] = heard.map(({ body }) => JSON.parse(body));
  assert.deepEqual(first.payload.custom_details, { whose: 'everybody', ...evidence });
  assert.deepEqual([first.payload.severity, second.payload.severity], ['critical', 'error']);
  assert.match(
    first.payload.summary,
    /warehouse\/query for everybody is open: of 40 calls 21 failed and 1 were too slow/,
  );
  pager.tell(page(closed, AT + 300_000));
  await until(() => heard.length === 3, clock);
  assert.deepEqual([...incidents.values()], ['resolve', 'trigger']);
  // The key is lent for the time of the request.
  await until(() => running.size === 0, clock);
});

test('Alertmanager has one alert, which is over when it is closed (API v2)', async (t) => {
  verifies('limits.breaker');
  const firing = new Map<string, boolean>();
  const { url, heard } = await receiver(t, (response, { path, headers, body }) => {
    const alerts = JSON.parse(body);
    if (path !== '/am/api/v2/alerts' || headers.authorization !== `Bearer ${SECRET}` || !Array.isArray(alerts))
      return response.writeHead(400).end();
    for (const { labels, annotations, startsAt, endsAt } of alerts) {
      assert.ok(Object.keys(labels).every((name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) && annotations.summary);
      for (const time of [startsAt ?? endsAt, endsAt]) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      firing.set(JSON.stringify(labels), Date.parse(endsAt) > AT + 300_000);
    }
    response.writeHead(200).end();
  });
  const { pager, clock } = pagerFor(t, { kind: 'alertmanager', url: `${url}/am/`, secret: 'on-call' });
  pager.tell(page(opened));
  await until(() => heard.length === 1, clock);
  assert.deepEqual([...firing.values()], [true]);
  pager.tell(page(closed, AT + 300_000));
  await until(() => heard.length === 2, clock);
  assert.deepEqual([...firing.values()], [false]);
});

test('a webhook knows by the signature that it was us, which message it is and when it was (Standard Webhooks)', async (t) => {
  verifies('limits.breaker');
  const { url, heard } = await receiver(t, (response) => response.writeHead(204).end());
  const { pager, clock } = pagerFor(t, { kind: 'webhook', url: `${url}/hook?x=1`, secret: 'on-call' });
  for (const turned of [opened, closed]) pager.tell(page(turned));
  await until(() => heard.length === 2, clock);
  const ids = heard.map(({ path, headers, body }) => {
    const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = headers;
    const expected = createHmac('sha256', SECRET).update(`${id}.${seconds}.${body}`).digest('base64');
    assert.deepEqual([path, signature, seconds], ['/hook?x=1', `v1,${expected}`, `${AT / 1000}`]);
    return id;
  });
  assert.equal(new Set(ids).size, 2);
  const [first, second] = heard.map(({ body }) => JSON.parse(body));
  assert.deepEqual([first.type, second.type], ['breaker.opened', 'breaker.closed']);
  assert.equal(first.data.incident, second.data.incident);
  assert.deepEqual(first.data.evidence, evidence);
});

test('a receiver that fails or hangs is told again, in order, and not for ever', async (t) => {
  verifies('limits.breaker');
  const HANGS = 1;
  let fails = 2;
  const { url, heard } = await receiver(t, (response) => {
    if (heard.length === HANGS + 1) return undefined;
    if (fails-- > 0) return response.writeHead(fails === 1 ? 500 : 429).end();
    return response.writeHead(202).end();
  });
  // Nobody waits long for the one that hangs, and the others have their time on any machine.
  let attempt = 0;
  const post: Post = (...asked) => openOutbound(attempt++ === HANGS ? 200 : 20_000)(...asked);
  const { pager, clock, faults } = pagerFor(t, { kind: 'pagerduty', url, secret: 'on-call' }, post);
  for (const turned of [opened, closed]) pager.tell(page(turned));
  await until(() => heard.length === 5, clock);
  const actions = heard.map(({ body }) => JSON.parse(body).event_action);
  assert.deepEqual(actions, ['trigger', 'trigger', 'trigger', 'trigger', 'resolve']);
  fails = Number.POSITIVE_INFINITY;
  pager.tell(page(opened));
  await until(() => faults.length === 1, clock);
  assert.equal(heard.length, 5 + 8);
  assert.match(faults[0] ?? '', /^pagerduty was not told that the breaker of warehouse\/query/);
  assert.ok(!faults.join().includes(SECRET));
});

test('a redirect to the metadata service is not followed, and no address of its kind is asked', async (t) => {
  verifies('limits.breaker');
  const inner = await receiver(t, (response) => response.writeHead(200).end());
  const { url, heard } = await receiver(t, (response) =>
    response.writeHead(307, { location: heard.length > 1 ? inner.url : 'http://169.254.169.254/latest/' }).end(),
  );
  const redirected = pagerFor(t, { kind: 'webhook', url, secret: 'on-call' });
  for (const turned of [opened, closed]) redirected.pager.tell(page(turned));
  await until(() => redirected.faults.length === 2, redirected.clock);
  assert.deepEqual([heard.length, inner.heard.length], [2, 0]);
  for (const why of redirected.faults) assert.match(why, /it answered 307$/);
  for (const address of ['https://169.254.169.254/', 'https://[fe80::a9fe:a9fe]/', 'http://10.0.0.1/']) {
    const { pager, clock, faults } = pagerFor(t, { kind: 'webhook', url: address, secret: 'on-call' });
    pager.tell(page(opened));
    await until(() => faults.length === 1, clock);
    assert.match(faults[0] ?? '', /not public|http on another host/, address);
  }
});

test('without its secret nobody is told anything, and the log says so', async (t) => {
  verifies('limits.breaker');
  const { url, heard } = await receiver(t, (response) => response.writeHead(202).end());
  const { pager, clock, faults } = pagerFor(t, { kind: 'pagerduty', url, secret: 'not-put' });
  pager.tell(page(opened));
  await until(() => faults.length === 1, clock);
  assert.equal(heard.length, 0);
  assert.match(faults[0] ?? '', /no secret not-put of the tenant operations$/);
});

test('what turned while zone 0 was away is told when it is back, once and in order; and no more than a thousand', () => {
  verifies('limits.breaker');
  const told: string[] = [];
  let isThere = false;
  const outbox = new Outbox((message) => {
    if (isThere && message.kind === 'turned') told.push(message.turned[0]?.to ?? '');
    return isThere;
  });
  for (const turned of [opened, closed]) outbox.tell({ kind: 'turned', turned: [turned] });
  assert.deepEqual(told, []);
  isThere = true;
  outbox.flush();
  outbox.flush();
  outbox.tell({ kind: 'turned', turned: [opened] });
  assert.deepEqual(told, ['open', 'closed', 'open']);
  isThere = false;
  for (let at = 0; at < 1500; at++) outbox.tell({ kind: 'turned', turned: [closed] });
  isThere = true;
  outbox.flush();
  assert.equal(told.length, 3 + 1000);
});
