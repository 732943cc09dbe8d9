import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditRecord } from '../../src/contract/audit-sink.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Authenticated, Framed } from '../../src/contract/tool-call.ts';
import { AuditTrail } from '../../src/gateway/audit/trail.ts';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const secret = ['AKIA', 'IOSFODNN7QXMPLRT'].join('');

test('what callers and servers say reaches a record without its secrets, and never whole where it is long (A5)', () => {
  verifies('observe.audit');
  const records: AuditRecord[] = [];
  const sink = { append: (record: AuditRecord) => void records.push(record), close: () => {} };
  const edgeBudget = () => ({ write: true, suppressed: 0 });
  const call = known({ method: 'tools/call', pin: undefined }, '{}');
  const caller = new Authenticated(call.arrived, call.subject);
  const trail = new AuditTrail({ sink, now: () => 0, redact, digest: (raw) => raw, edgeBudget }, call.arrived, 1);
  trail.authenticated(caller);
  trail.framed(new Framed(caller, { ...call.frame, method: `${secret}/${'x'.repeat(1_000_000)}` }));
  // The secret lies across the place where a detail is cut.
  trail.refused(new Refusal('unknown-method', `${'x '.repeat(2043)}${secret}`));
  const [record] = records;
  assert.ok((record?.method?.length ?? 0) <= 128);
  assert.ok(JSON.stringify(record).length < 8192);
  assert.doesNotMatch(JSON.stringify(record), /AKIA/);
});
