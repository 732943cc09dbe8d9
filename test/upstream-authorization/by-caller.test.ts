import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProofWish } from '../../src/contract/wire-secret.ts';
import { callersUpstream } from '../../src/runtime/upstream/http/by-caller.ts';
import { lease } from '../credentials/support.ts';
import { events, keepingSessions, remoteServer } from '../runtime/remote-server.ts';
import { aCall } from '../runtime/support.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

/** A call of a subject with what was lent for it; the tool's name says both. */
function lentCall(subject: string, value: string) {
  const params = Buffer.from(JSON.stringify({ name: `${subject}/${value}`, arguments: { echo: value } }));
  return aCall({ subject, params, loan: { leases: [lease({ value, until: 0 })], used: () => {} } });
}

test('every call carries what was lent for it, and nothing of a caller is ever said with another’s token', async (t) => {
  verifies('authn.no-passthrough');
  const { settings, heard } = await remoteServer(t, () => false);
  const upstream = callersUpstream(settings, Date.now);
  t.after(() => upstream.close());
  const callers = ['alice', 'bob', 'carol'];
  const calls = callers.flatMap((subject) => [1, 2, 3, 4].map((n) => lentCall(subject, `${subject}-${n}`)));
  await Promise.all(calls.map((call) => upstream.call(call)));
  const named = heard.filter(({ message }) => message.method === 'tools/call');
  assert.equal(named.length, calls.length);
  for (const { headers, message } of named)
    assert.equal(headers.authorization, `Bearer ${String(message.params?.name).split('/')[1]}`);
  const sessions = new Map<unknown, unknown>();
  for (const { headers } of heard.filter((one) => one.headers['mcp-session-id'] !== undefined)) {
    const [, subject] = /^Bearer (\w+)-\d$/.exec(headers.authorization ?? '') ?? [];
    const known = sessions.get(headers['mcp-session-id']) ?? subject;
    assert.equal(subject, known);
    sessions.set(headers['mcp-session-id'], known);
  }
  assert.ok(heard.every(({ headers }) => /^Bearer (alice|bob|carol)-\d$/.test(headers.authorization ?? '')));
});

test('refuses a call or a stream for which nothing was lent', async (t) => {
  const { settings, heard } = await remoteServer(t, () => false);
  const upstream = callersUpstream(settings, Date.now);
  t.after(() => upstream.close());
  await assert.rejects(upstream.call(aCall()), /nothing was lent/);
  const { signal } = new AbortController();
  const listening = { uris: [], subject: 'alice', signal, ready() {}, notify() {} };
  await assert.rejects(upstream.listen(listening), /nothing was lent/);
  assert.deepEqual(heard, []);
});

test('a stream carries what is lent for it at each moment, with a proof of its own where that is bound', async (t) => {
  verifies('authn.no-passthrough');
  const subscribing = { resources: { subscribe: true } };
  const opened = Promise.withResolvers<void>();
  const { settings, heard } = await remoteServer(
    t,
    keepingSessions(({ method }, response) => {
      if (method !== 'GET') return false;
      events(response);
      opened.resolve();
      return true;
    }, subscribing),
  );
  const upstream = callersUpstream(settings, Date.now);
  t.after(() => upstream.close());
  const wishes: ProofWish[] = [];
  const loan = {
    leases: [lease({ id: 'one', value: 'first', isBound: true as const })],
    used: () => {},
    prove: async (wish: ProofWish) => `proof ${wishes.push(wish)} of ${wish.lease}`,
  };
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const listening = { uris: ['a://1'], subject: 'alice', signal: stop.signal, ready: ready.resolve, notify() {}, loan };
  const over = upstream.listen(listening);
  await Promise.all([ready.promise, opened.promise]);
  assert.ok(heard.every(({ headers }) => headers.authorization === 'DPoP first'));
  assert.equal(new Set(heard.map(({ headers }) => headers.dpop)).size, heard.length);
  assert.ok(
    heard.every(({ method, headers }) =>
      wishes.some((wish, at) => wish.method === method && headers.dpop === `proof ${at + 1} of one`),
    ),
  );
  loan.leases = [lease({ id: 'two', value: 'second', isBound: true as const })];
  heard.length = 0;
  stop.abort();
  await over;
  await until(() => heard.some(({ message }) => message.method === 'resources/unsubscribe'));
  assert.ok(
    heard.every(({ headers }) => headers.authorization === undefined || headers.authorization === 'DPoP second'),
  );
});
