import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { Admitted, Authorized, Confirmed, Limited, Validated } from '../../src/contract/tool-call.ts';
import type { Loan } from '../../src/contract/wire-secret.ts';
import type { LeaseAnswer } from '../../src/contract/zone-link.ts';
import { withStandingLoan } from '../../src/gateway/execution/standing-loan.ts';
import { TestClock } from '../sessions/support.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';
import { lease } from './support.ts';

const MINUTE = 60_000;
const validated = new Validated(known({ method: 'resources/subscribe', pin: undefined }, '{}'), {
  arguments: undefined,
  raw: '{}',
});
const authorized = new Authorized(validated, { allow: true, policies: [], detail: '' });
const call = new Admitted(new Limited(new Confirmed(authorized, undefined), undefined));
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A stream that runs until it is stopped, and what was lent for it. */
function stream(answer: (asked: number, now: number) => LeaseAnswer) {
  const clock = new TestClock();
  const happened: string[] = [];
  let asked = 0;
  const lending = {
    needed: () => true,
    exchanged: () => [],
    lend: async () => answer(++asked, clock.now()),
    giveBack: (ids: readonly string[]) => void happened.push(`back ${ids.join()}`),
    prove: async () => undefined,
    record: async (_: Admitted, event: string) => void happened.push(event),
  };
  const held: { loan?: Loan; over?: AbortSignal } = {};
  const stop = Promise.withResolvers<void>();
  const done = withStandingLoan(lending, clock, call, async (loan, over) => {
    Object.assign(held, { loan, over });
    over.addEventListener('abort', () => stop.resolve());
    await stop.promise;
  });
  return { clock, happened, held, done, stop: stop.resolve };
}

const forFive = (asked: number, now: number): LeaseAnswer => ({
  leases: [lease({ id: `l${asked}`, value: `token-${asked}`, until: now + 5 * MINUTE })],
});

test('a stream outlives its leases: each is followed by another before it is over, on record, and given back', async () => {
  verifies('secrets.injection');
  const { clock, happened, held, done, stop } = stream(forFive);
  await turn();
  for (let lent = 1; lent <= 3; lent++) {
    assert.equal(held.loan?.leases[0]?.value, `token-${lent}`);
    clock.pass(5 * MINUTE - 30_000);
    await turn();
  }
  stop();
  await done;
  assert.deepEqual(happened, [
    'lease',
    'lease',
    'back l1',
    'lease',
    'back l2',
    'lease',
    'back l3',
    'back l4',
    'revoke',
  ]);
  assert.equal(clock.timers, 0);
});

test('when the next lease is not to be had, or lasts no longer, the stream ends with the one that it has', async () => {
  verifies('secrets.injection');
  for (const second of [
    { missing: 'withdrawn' },
    { failed: 'no' },
    { visit: { id: 'i', url: 'u' } },
    'shorter',
  ] as const) {
    const { clock, happened, held, done } = stream((asked) =>
      asked === 1 || second === 'shorter'
        ? { leases: [lease({ id: `l${asked}`, until: 1_000_000 + 5 * MINUTE })] }
        : second,
    );
    await turn();
    clock.pass(5 * MINUTE - 1);
    await turn();
    assert.equal(held.over?.aborted, false);
    clock.pass(1);
    await done;
    assert.equal(held.over?.aborted, true);
    assert.deepEqual(happened.at(-2), 'back l1');
    assert.equal(clock.timers, 0);
  }
});

test('a stream of somebody who has authorized nothing does not begin, and says where that can be done', async () => {
  const { done } = stream(() => ({ visit: { id: 'i', url: 'https://localhost/oauth/upstream/i' } }));
  const error: unknown = await done.catch((reason) => reason);
  assert.ok(error instanceof Refusal);
  assert.deepEqual([error.code, error.data?.url], ['authorize', 'https://localhost/oauth/upstream/i']);
});
