import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Refusal } from '../../src/contract/refusal.ts';
import { Admitted, Authorized, Confirmed, Limited, Validated } from '../../src/contract/tool-call.ts';
import type { LeaseAnswer, LeaseWish } from '../../src/contract/zone-link.ts';
import type { Exchange } from '../../src/gateway/execution/exchange.ts';
import { withCredentials } from '../../src/gateway/execution/lending.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';
import { lease, SECRET } from './support.ts';

const pin = { name: 'tool', raw: '{}', digest: '' };
const validated = new Validated(known({ method: 'tools/call', pin }, '{"name":"tool"}'), { arguments: {}, raw: '{}' });
const authorized = new Authorized(validated, { allow: true, policies: [], detail: '' });
const call = new Admitted(new Limited(new Confirmed(authorized, undefined), undefined));

/** Zone 0 and the record, as one list of what happened. */
function world(answer: LeaseAnswer, record: (event: string) => void = () => {}) {
  const happened: string[] = [];
  const wishes: LeaseWish[] = [];
  const lending = {
    needed: () => true,
    exchanged: () => [],
    lend: async (wish: LeaseWish) => {
      wishes.push(wish);
      happened.push('lend');
      return answer;
    },
    giveBack: (ids: readonly string[]) => void happened.push(`back ${ids.join()}`),
    prove: async () => undefined,
    record: async (_: Admitted, event: string, detail: string) => {
      record(event);
      happened.push(`${event}: ${detail}`);
    },
  };
  const exchange = { loan: undefined } as unknown as Exchange;
  return { happened, wishes, lending, exchange };
}

suite('credentials for an admitted call', () => {
  test('are on record before they go anywhere, and given back at the end with what they were used for', async () => {
    verifies('secrets.injection');
    const { happened, wishes, lending, exchange } = world({
      leases: [lease({ until: 0 }), lease({ id: 'second', ref: 'plan', until: 0 })],
    });
    const result = await withCredentials(lending, call, exchange, async () => {
      happened.push('run');
      assert.equal(exchange.loan?.leases.length, 2);
      for (const path of ['/v1/*', '/v1/*', '/x']) exchange.loan?.used({ ref: 'plan', host: 'api.example.org', path });
      return 'result';
    });
    assert.deepEqual(wishes, [
      { server: 'srv', tenant: 'acme', subject: 'alice', isPerson: true, incident: 'incident' },
    ]);
    assert.deepEqual([result, exchange.loan], ['result', undefined]);
    assert.deepEqual(happened, [
      'lend',
      'lease: notes-api version 1 until 1970-01-01T00:00:00.000Z, plan version 1 until 1970-01-01T00:00:00.000Z',
      'run',
      'back lease-1,second',
      'revoke: notes-api, plan; used for api.example.org/v1/* with plan: 2 times, api.example.org/x with plan: 1 times',
    ]);
    assert.equal(happened.join().includes(SECRET), false);
  });

  test('one that is missing refuses the call, which then does not run', async () => {
    verifies('secrets.injection');
    const { happened, lending, exchange } = world({ missing: 'no secret notes-api of alice of acme' });
    const refused = withCredentials(lending, call, exchange, () => assert.fail('it ran'));
    await assert.rejects(refused, (error) => error instanceof Refusal && error.code === 'credential');
    assert.deepEqual(happened, ['lend']);
  });

  test('a call that fails gives them back; a record that cannot be written refuses the call', async () => {
    const failing = world({ leases: [lease({ until: 0 })] });
    const failed = withCredentials(failing.lending, call, failing.exchange, () =>
      Promise.reject(new Error('of the call')),
    );
    await assert.rejects(failed, /of the call/);
    assert.deepEqual(failing.happened.slice(2), ['back lease-1', 'revoke: notes-api; not used']);
    const unwritable = world({ leases: [lease({ until: 0 })] }, (event) => {
      if (event === 'lease') throw new Refusal('audit', 'the disk is full');
    });
    const refused = withCredentials(unwritable.lending, call, unwritable.exchange, () => assert.fail('it ran'));
    await assert.rejects(refused, (error) => error instanceof Refusal && error.code === 'audit');
    assert.ok(unwritable.happened.includes('back lease-1'));
  });
});
