import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditRecord } from '../../src/contract/audit-sink.ts';
import { Refusal, refusalRow } from '../../src/contract/refusal.ts';
import { Authenticated, Framed } from '../../src/contract/tool-call.ts';
import { AuditTrail } from '../../src/gateway/audit/trail.ts';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { createPipeline, type Rooms } from '../../src/gateway/pipeline.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const secret = ['AKIA', 'IOSFODNN7QXMPLRT'].join('');

test('what callers and servers say reaches a record without its secrets, and never whole where it is long (A5)', async () => {
  verifies('observe.audit');
  const records: AuditRecord[] = [];
  const sink = { append: async (record: AuditRecord) => void records.push(record), close: () => {} };
  const edgeBudget = () => ({ write: true, suppressed: 0 });
  const call = known({ method: 'tools/call', pin: undefined }, '{}');
  const caller = new Authenticated(call.arrived, call.subject, 0);
  const trail = new AuditTrail({ sink, now: () => 0, redact, digest: (raw) => raw, edgeBudget }, call.arrived, 1);
  trail.authenticated(caller);
  trail.framed(new Framed(caller, { ...call.frame, method: `${secret}/${'x'.repeat(1_000_000)}` }));
  // The secret lies across the place where a detail is cut.
  await trail.refused(new Refusal('unknown-method', `${'x '.repeat(2043)}${secret}`));
  const [record] = records;
  assert.ok((record?.method?.length ?? 0) <= 128);
  assert.ok(JSON.stringify(record).length < 8192);
  assert.doesNotMatch(JSON.stringify(record), /AKIA/);
});

test('with an audit that cannot be written strangers get the same answer as ever, all others none', async () => {
  verifies('authn.edge', 'observe.audit');
  const sink = {
    append: async () => {
      throw new Error('ENOSPC');
    },
    close: () => {},
  };
  const { arrived, subject } = known({ method: 'tools/call', pin: undefined }, '{}');
  const answer = (authenticate: Rooms['authenticate']) => {
    const refuse: Rooms['refuse'] = ({ code }) => ({ status: refusalRow(code).http, headers: {}, body: code });
    const guard = () => {
      throw new Refusal('host', '');
    };
    return createPipeline({
      rooms: () => ({ version: 1, authenticate, guard, refuse }) as unknown as Rooms,
      audit: { sink, now: () => 0, redact, digest: (raw) => raw, edgeBudget: () => ({ write: true, suppressed: 0 }) },
      fault: () => {},
      count: () => {},
    })(arrived);
  };
  const stranger = await answer(async () => {
    throw new Refusal('unauthenticated', '');
  });
  assert.equal(stranger.body, 'unauthenticated');
  assert.equal((await answer(async () => new Authenticated(arrived, subject, 0))).body, 'audit');
});
