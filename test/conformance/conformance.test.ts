import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { authorizedRuns, issuerRuns } from './authorization.ts';
import { clientRuns, directRuns, type Row, serverRuns } from './runs.ts';
import { judge, readExpectations } from './verdict.ts';

/** Fails with what the suite said, unless each scenario passed or is a failure that is known, named and not required. */
function holds(rows: readonly Row[]): void {
  const { failed, stale } = judge(rows, readExpectations());
  const said = failed.map(({ run, name, complaints }) => `${run}: ${name}\n  ${complaints.join('\n  ')}`);
  assert.deepEqual([...said, ...stale], []);
}

test('the fixture passes the official suite without the gateway', async (t) => {
  await directRuns((rows) => void t.test(rows[0]?.run ?? '', () => holds(rows)));
});

test('the official suite, with the gateway as its server', async (t) => {
  verifies('transport.origin');
  await serverRuns((rows) => void t.test(rows[0]?.run ?? '', () => holds(rows)));
});

test('the official suite, with the gateway as its client', async (t) => {
  await clientRuns((rows) => void t.test(rows[0]?.run ?? '', () => holds(rows)));
});

test('the official suite, with the embedded issuer as its authorization server', async (t) => {
  verifies('authn.human');
  await issuerRuns((rows) => void t.test(rows[0]?.run ?? '', () => holds(rows)));
});

test('the official suite about OAuth, with what speaks to remote servers as its client', async (t) => {
  verifies('authn.no-passthrough');
  await authorizedRuns((rows) => void t.test(rows[0]?.run ?? '', () => holds(rows)));
});

const row = (name: string, passed: boolean, required: boolean): Row => ({
  run: 'remote 2026-07-28',
  name,
  passed,
  required,
  counts: { SUCCESS: 0, FAILURE: 0, WARNING: 0 },
  complaints: [],
  printed: '',
});
const expecting = (scenario: string, reason = 'known') => [
  { runs: ['remote 2026-07-28'], scenarios: [scenario], reason },
];

test('excuses a known failure of a scenario that is not required', () => {
  const { failed, excused, stale } = judge([row('a', false, false)], expecting('a'));
  assert.deepEqual([failed.length, excused.length, stale.length], [0, 1, 0]);
});

for (const [why, rows, expectations] of [
  ['the scenario is required', [row('a', false, true)], expecting('a')],
  ['the scenario passes', [row('a', true, false)], expecting('a')],
  ['the suite has no such scenario', [row('b', true, false)], expecting('a')],
  ['there is no reason', [row('a', false, false)], expecting('a', ' ')],
] as const) {
  test(`refuses an expected failure where ${why}`, () => {
    const { excused, stale } = judge(rows, expectations);
    assert.deepEqual([excused.length, stale.length], [0, 1]);
  });
}
