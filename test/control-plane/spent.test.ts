import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { SpentFile } from '../../src/control-plane/budgets/spent-file.ts';
import { readMessage } from '../../src/control-plane/gateways/messages.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';

const complain = (error: unknown) => assert.fail(String(error));

test('nothing that a gateway says was spent keeps zone 0 from starting again', (t) => {
  verifies('limits.cost');
  const state = scratch(t);
  for (const ttl of [63 * 24 * 60 * 60 * 1000, Number.MAX_SAFE_INTEGER]) {
    const spending = { key: `tenant acme ${ttl}`, limit: 100, ttl, spent: 7 };
    const file = new SpentFile(state, Date.now, complain);
    try {
      const message = readMessage(JSON.stringify({ kind: 'spent', spendings: [spending] }));
      if (message.kind === 'spent') file.add(message.spendings);
    } catch {
      // Refused: then nothing of it is written.
    }
    file.flush();
    assert.deepEqual(
      new SpentFile(state, Date.now, complain).current().map(({ spent }) => spent),
      [7],
    );
  }
});

test('what was spent and cannot be written ends nothing, is told, and is written when it can be', (t) => {
  verifies('limits.cost');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const state = scratch(t);
  const faults: string[] = [];
  const file = new SpentFile(state, Date.now, (error) => faults.push(String(error)));
  rmSync(state, { recursive: true });
  file.add([{ key: 'tenant acme', limit: 100, ttl: 60_000, spent: 7 }]);
  t.mock.timers.tick(500);
  assert.match(faults.join(), /ENOENT/);
  mkdirSync(state, { mode: 0o700 });
  t.mock.timers.tick(10_000);
  assert.equal(faults.length, 1);
  assert.deepEqual(
    new SpentFile(state, Date.now, complain).current().map(({ spent }) => spent),
    [7],
  );
});
