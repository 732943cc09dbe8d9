import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/contract/answer.ts';
import type { Mail, MailReceiver } from '../../src/contract/mail.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import type { Arrived } from '../../src/contract/tool-call.ts';
import { Carriage } from '../../src/gateway/replicas/carriage.ts';
import { arrived } from '../../src/gateway/transport/arrived.ts';
import { head, settled, TestClock } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';

test('a replica that is still subscribed, and says nothing any more, loses what it had; one that works for long does not', async () => {
  verifies('limits.fleet');
  const clock = new TestClock();
  const receivers = new Map<string, MailReceiver>();
  const mute = new Set<string>();
  const mailOf = (me: string): Mail => ({
    me,
    others: async () => [],
    receive: (receiver) => void receivers.set(me, receiver),
    async send(to, message) {
      if (!mute.has(me)) receivers.get(to)?.message(me, message);
      return true;
    },
  });
  const came: Arrived[] = [];
  const replica = (me: string) =>
    new Carriage(
      {
        ...{ mail: mailOf(me), clock, arrive: arrived },
        handle: (call) => {
          came.push(call);
          return new Promise<Answer>(() => undefined);
        },
      },
      () => undefined,
    );
  const [here] = [replica('here'), replica('there')];
  let lost: unknown;
  here.carry('there', head({ until: 10 ** 12 }).call).catch((error: unknown) => {
    lost = error;
  });
  const seconds = async (count: number) => {
    for (let second = 0; second < count; second++) {
      clock.pass(1000);
      await settled();
    }
  };
  await seconds(300);
  assert.deepEqual([lost, came.length, came[0]?.signal.aborted], [undefined, 1, false]);
  mute.add('there');
  await seconds(12);
  assert.ok(lost instanceof Refusal && lost.code === 'unavailable', String(lost));
  await seconds(12);
  assert.equal(came[0]?.signal.aborted, true);
  assert.equal(clock.timers, 0);
});
