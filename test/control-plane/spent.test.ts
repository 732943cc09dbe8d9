import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpentFile } from '../../src/control-plane/budgets/spent-file.ts';
import { readMessage } from '../../src/control-plane/gateways/messages.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';

test('nothing that a gateway says was spent keeps zone 0 from starting again', (t) => {
  verifies('limits.cost');
  const state = scratch(t);
  for (const ttl of [63 * 24 * 60 * 60 * 1000, Number.MAX_SAFE_INTEGER]) {
    const spending = { key: `tenant acme ${ttl}`, limit: 100, ttl, spent: 7 };
    const file = new SpentFile(state, Date.now);
    try {
      const message = readMessage(JSON.stringify({ kind: 'spent', spendings: [spending] }));
      if (message.kind === 'spent') file.add(message.spendings);
    } catch {
      // Refused: then nothing of it is written.
    }
    file.flush();
    assert.deepEqual(
      new SpentFile(state, Date.now).current().map(({ spent }) => spent),
      [7],
    );
  }
});
