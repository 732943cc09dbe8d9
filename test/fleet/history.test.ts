import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { noRedis } from '../state/support.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { end, LegacySession, modern } from './support/attempts.ts';
import { Fleet, policy } from './support/fleet.ts';
import { Till } from './support/till.ts';
import { type Answer, Wire } from './support/wire.ts';

const LETHAL = readFileSync(new URL('../../examples/policies/lethal-combination.cedar', import.meta.url), 'utf8');
const PRIVATE = { name: 'till__echo', arguments: { text: 'a secret' } };
const UNTRUSTED = { name: 'till__pay', arguments: {} };
const SEND = { name: 'old__echo', arguments: { text: 'a secret' } };
const permits = ['echo', 'pay'].map(
  (tool) => `permit (principal in Tenant::"acme", action == Action::"till/${tool}", resource == Tenant::"acme");\n`,
);

/** `ok`, or the reason of its refusal. */
async function told(answer: Promise<Answer>): Promise<string> {
  const last = await end(await answer);
  return last?.result === undefined ? (last?.error?.data?.reason ?? last?.error?.message) : 'ok';
}

test('what has been read is known at every gateway, whichever has died', {
  skip: noRedis,
  timeout: 600_000,
}, async (t) => {
  const till = await Till.start(t);
  const fleet = await Fleet.start(t, {
    // Without the operator, it denies at once.
    policy: `${policy}${permits.join('')}${LETHAL.replace('@ask("operator")', '')}`,
    prepare: async (workspace) => {
      await till.addTo(workspace, 'echo: { reads: [private] }, pay: { reads: [untrusted] }');
      const file = join(workspace.dir, 'innerkeep.yaml');
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace(/^ {2}old:$/m, '$&\n    tools: { echo: { writes: [external] } }'));
    },
  });
  const wireOf = async (subject: string): Promise<Wire> => {
    const wire = new Wire(fleet, await fleet.token(subject));
    t.after(() => wire.close());
    return wire;
  };
  const call = (wire: Wire, what: object, at: number) => told(modern(wire, 'tools/call', what, {}, at));
  /** Asks until it is so answered; before, the store may be away, and nothing else. */
  const comesTo = (wire: Wire, what: object, at: number, answer: string): Promise<void> =>
    until(async () => {
      const answered = await call(wire, what, at);
      assert.ok([answer, 'Not available'].includes(answered), `replica ${at}: ${answered}`);
      return answered === answer;
    });

  const forget = async (): Promise<void> => {
    const raw = new Redis(fleet.redis.url);
    await raw.flushall();
    raw.disconnect();
  };

  await t.test('refuses an external write to a client without a session that has read elsewhere', async () => {
    verifies('limits.fleet', 'authz.question');
    const [alice, bob] = [await wireOf('alice'), await wireOf('bob')];
    assert.equal(await call(alice, SEND, 2), 'ok');
    assert.equal(await call(alice, PRIVATE, 0), 'ok');
    assert.equal(await call(alice, SEND, 2), 'ok');
    assert.equal(await call(alice, UNTRUSTED, 1), 'ok');
    for (const at of [0, 1, 2]) assert.equal(await call(alice, SEND, at), 'policy', `replica ${at}`);
    for (const at of [0, 1, 2]) assert.equal(await call(bob, SEND, at), 'ok', `replica ${at}`);
  });

  await t.test('refuses it where the store has forgotten everything meanwhile', async () => {
    verifies('limits.fleet', 'authz.question');
    const [carol, dave] = [await wireOf('carol'), await wireOf('dave')];
    assert.equal(await call(carol, PRIVATE, 0), 'ok');
    assert.equal(await call(carol, UNTRUSTED, 1), 'ok');
    await forget();
    for (const at of [2, 1, 0]) await comesTo(carol, SEND, at, 'policy');
    for (const at of [2, 1, 0]) await comesTo(dave, SEND, at, 'ok');
  });

  await t.test('what is stopped stays stopped at each gateway, whatever the store has forgotten', async () => {
    verifies('limits.fleet', 'limits.breaker');
    const dave = await wireOf('dave');
    await fleet.workspace.must('stop', '--tool', 'old/echo');
    for (const at of [0, 1, 2]) await until(async () => (await call(dave, SEND, at)) === 'breaker');
    await forget();
    for (const at of [0, 1, 2]) await comesTo(dave, SEND, at, 'breaker');
    await fleet.workspace.must('resume', '--tool', 'old/echo');
    for (const at of [0, 1, 2]) await until(async () => (await call(dave, SEND, at)) === 'ok');
  });

  await t.test('refuses it in a session whose gateway was killed since it has read', async () => {
    verifies('limits.fleet', 'authz.question');
    const erin = await wireOf('erin');
    const sessions = [];
    for (let turn = 0; turn < 6; turn++) sessions.push(await LegacySession.open(erin));
    const asked = (session: LegacySession, what: object) => told(session.request('tools/call', what));
    for (const session of sessions) {
      assert.equal(await asked(session, PRIVATE), 'ok');
      assert.equal(await asked(session, UNTRUSTED), 'ok');
      assert.equal(await asked(session, SEND), 'policy');
    }
    const fresh = await LegacySession.open(erin);
    await fleet.replica(0).stop('SIGKILL');
    const again = await wireOf('erin');
    for (const { id } of sessions) assert.equal(await asked(new LegacySession(again, id), SEND), 'policy');
    assert.equal(await asked(new LegacySession(again, fresh.id), PRIVATE), 'ok');
    assert.equal(await asked(await LegacySession.open(again), SEND), 'ok');
  });
});
