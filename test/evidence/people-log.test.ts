import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peopleLog } from '../../src/main/people-log.ts';

test('strangers cannot fill the log of the issuer’s pages, nor keep what people did out of it', () => {
  const clock = { now: 0 };
  const lines: { event?: string; detail?: string; suppressed?: number }[] = [];
  const report = peopleLog(
    (line) => lines.push(line),
    () => clock.now,
  );
  const strangers = [
    'foreign-form',
    'sign-in-refused',
    'account-refused',
    'confirmation-refused',
    'upstream-foreign-answer',
  ];
  for (let at = 0; at < 10_000; at++)
    report({ event: strangers[at % strangers.length] ?? '', detail: 'x'.repeat(16_000) });
  const written = lines.length;
  assert.ok(written <= 100, String(written));
  assert.ok(lines.every(({ detail = '' }) => detail.length <= 512));
  for (const event of ['signed-in', 'consented', 'removed', 'upstream-authorized', 'call-confirmed', 'signed-out'])
    report({ event, subject: 'alice' });
  assert.equal(lines.length, written + 6);
  clock.now += 1000;
  report({ event: 'foreign-form' });
  assert.equal(lines.at(-1)?.suppressed, 10_000 - written);
});
