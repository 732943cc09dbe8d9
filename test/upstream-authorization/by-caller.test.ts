import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callersUpstream } from '../../src/runtime/upstream/http/by-caller.ts';
import { lease } from '../credentials/support.ts';
import { remoteServer } from '../runtime/remote-server.ts';
import { aCall } from '../runtime/support.ts';
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

test('refuses a call for which nothing was lent, and a stream that no call’s token could last for', async (t) => {
  const { settings, heard } = await remoteServer(t, () => false);
  const upstream = callersUpstream(settings, Date.now);
  t.after(() => upstream.close());
  await assert.rejects(upstream.call(aCall()), /nothing was lent/);
  const { signal } = new AbortController();
  const listening = { uris: [], subject: 'alice', signal, ready() {}, notify() {} };
  await assert.rejects(upstream.listen(listening), /no subscriptions/);
  assert.deepEqual(heard, []);
});
