import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FromGateway } from '../../src/contract/zone-link.ts';
import { Lender } from '../../src/main/lending.ts';
import { lentValues } from '../../src/main/lent-values.ts';
import { verifies } from '../support/verifies.ts';
import { lease, SECRET } from './support.ts';

suite('what zone 1 knows of a value that is lent', () => {
  const wish = { server: 'notes', tenant: 'acme', subject: 'alice', incident: 'i-1' };

  test('no record and no line of the log has it while it is lent, whoever said it (A5)', async () => {
    verifies('secrets.injection');
    const sent: FromGateway[] = [];
    const lender = new Lender((message) => sent.push(message) > 0);
    const asked = [lender.lend(wish), lender.lend(wish)];
    // The same value for two calls; the answers come in another order.
    lender.leased(2, { leases: [lease({ id: 'two' })] });
    lender.leased(1, { leases: [lease({ id: 'one' })] });
    const got = await Promise.all(asked);
    assert.deepEqual(
      got.map((answer) => 'leases' in answer && answer.leases[0]?.id),
      ['one', 'two'],
    );
    const said = [`the API said: ${SECRET}!`, JSON.stringify({ detail: `it was ${SECRET}` })];
    const isKnown = () => said.every((text) => lentValues.strip(text).includes('[redacted:lent-secret]'));
    assert.ok(isKnown());
    for (const text of said) assert.equal(lentValues.strip(text).includes('4eC39HqLyjW'), false);
    lender.giveBack(['one']);
    assert.ok(isKnown());
    lender.giveBack(['two']);
    assert.deepEqual(
      said.map((text) => lentValues.strip(text)),
      said,
    );
    assert.deepEqual(sent.slice(2), [
      { kind: 'revoke', leases: ['one'] },
      { kind: 'revoke', leases: ['two'] },
    ]);
  });

  test('a missing secret is told as it is', async () => {
    const lender = new Lender(() => true);
    const asked = lender.lend(wish);
    lender.leased(1, { missing: 'no secret notes-api of alice of acme' });
    assert.deepEqual(await asked, { missing: 'no secret notes-api of alice of acme' });
  });
});
