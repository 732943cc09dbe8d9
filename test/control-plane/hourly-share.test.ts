import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HourlyShare } from '../../src/control-plane/gateways/hourly-share.ts';
import { verifies } from '../support/verifies.ts';

const HOUR = 3_600_000;

test('property: whatever a gateway tells, no more of it than its share is taken in an hour, and no less while it fits', () => {
  verifies('limits.cost', 'limits.breaker');
  const step = fc.record({ ms: fc.nat(HOUR), many: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const told: boolean[] = [];
      let now = 0;
      const share = new HourlyShare(
        50,
        () => now,
        (isExceeded) => told.push(isExceeded),
      );
      let [began, asked] = [Number.NEGATIVE_INFINITY, 0];
      for (const { ms, many } of steps) {
        now += ms;
        if (now >= began + HOUR) [began, asked] = [now, 0];
        const admitted = share.admit(Array.from({ length: many }, (_, at) => at));
        assert.equal(admitted.length, Math.min(many, Math.max(0, 50 - asked)));
        asked += many;
        assert.equal(told.at(-1) ?? false, asked > 50);
      }
      // Once for each hour, and never twice the same.
      assert.ok(told.every((isExceeded, at) => isExceeded === (at % 2 === 0)));
    }),
  );
});
