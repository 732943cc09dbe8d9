import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../src/contract/caller.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import type { Stop } from '../../src/contract/stops.ts';
import { Admitted, Authorized, Confirmed, type Executed, Limited, Validated } from '../../src/contract/tool-call.ts';
import { Running } from '../../src/gateway/stops/running.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const pin = { name: 'tool', raw: '{}', digest: '' };
const valid = new Validated(known({ method: 'tools/call', pin }, '{"name":"tool"}'), { arguments: {}, raw: '{}' });
const confirmed = new Confirmed(new Authorized(valid, { allow: true, policies: [], detail: '' }), undefined);
const admitted = new Admitted(new Limited(confirmed, undefined));
const caller: Caller = {
  capabilities: {},
  logLevel: undefined,
  signal: new AbortController().signal,
  notify: () => {},
  ask: undefined,
  session: undefined,
};
const stopped = (error: unknown) => error instanceof Refusal && error.code === 'stopped';
const named: readonly Stop[] = [
  { kind: 'all' },
  { kind: 'server', name: 'srv' },
  { kind: 'tool', name: 'srv/tool' },
  { kind: 'tenant', name: 'acme' },
  { kind: 'subject', name: 'alice', tenant: 'acme' },
];
const others: readonly Stop[] = [
  { kind: 'server', name: 'srv2' },
  { kind: 'tool', name: 'srv/tool2' },
  { kind: 'tenant', name: 'alice' },
  { kind: 'subject', name: 'alice', tenant: 'acme2' },
];

for (const stop of named)
  test(`stopped ${stop.kind}: what runs ends, what comes is refused`, async () => {
    const running = new Running(() => true);
    const over = running.run(admitted, caller, async (_, { signal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('killed'))));
      return assert.fail('it went on');
    });
    running.stop(others);
    running.stop([stop]);
    await assert.rejects(over, stopped);
    assert.throws(() => running.demand(confirmed), stopped);
    // Let in before, and its intent written: it does not begin.
    const begun = running.run(admitted, caller, () => assert.fail('it began'));
    await assert.rejects(begun, stopped);
  });

test('what is not named runs on, and ends as it ends', async () => {
  const running = new Running(() => true);
  running.stop(others);
  running.demand(confirmed);
  const fault = new Error('of its own');
  const over = running.run(admitted, caller, async () => {
    running.stop(others);
    return Promise.reject<Executed>(fault);
  });
  await assert.rejects(over, fault);
});

test('what waited while its token was revoked does not begin, whatever it was let in for', async () => {
  verifies('authn.edge');
  const revoked = new Set<string | undefined>();
  const running = new Running(({ tokenId }) => !revoked.has(tokenId));
  running.demand(confirmed);
  revoked.add(confirmed.subject.tokenId);
  const refused = (error: unknown) => error instanceof Refusal && error.code === 'unauthenticated';
  assert.throws(() => running.demand(confirmed), refused);
  await assert.rejects(
    running.run(admitted, caller, () => assert.fail('it began')),
    refused,
  );
});

test('a client that goes ends its call, also one that had gone before, and neither is called stopped', async () => {
  const running = new Running(() => true);
  const client = new AbortController();
  const leaving = { ...caller, signal: client.signal };
  const over = running.run(admitted, leaving, (_, { signal }) => {
    assert.ok(!signal.aborted);
    return new Promise<Executed>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const left = new Error('left');
  client.abort(left);
  await assert.rejects(over, left);
  const late = running.run(admitted, leaving, async (_, { signal }) => {
    signal.throwIfAborted();
    return assert.fail('it went on');
  });
  await assert.rejects(late, left);
});
