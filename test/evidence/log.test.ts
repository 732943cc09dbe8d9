import assert from 'node:assert/strict';
import { test } from 'node:test';
import { log } from '../../src/main/log.ts';
import { verifies } from '../support/verifies.ts';

const secret = ['AKIA', 'IOSFODNN7QXMPLRT'].join('');

test('what a dying server wrote to stderr reaches the log without its secrets, on one line (A5)', (context) => {
  verifies('output.secrets');
  const lines: string[] = [];
  context.mock.method(process.stderr, 'write', (line: string) => lines.push(line));
  log({ event: 'sandbox-start-failed', detail: `stderr: key ${secret}\n{"event":"forged"}` });
  context.mock.restoreAll();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^[^\n]*\n$/);
  assert.equal(JSON.parse(lines[0] ?? '').detail, 'stderr: key [redacted:aws-access-key-id]\n{"event":"forged"}');
});
