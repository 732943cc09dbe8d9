import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AUDIT_PAGE, type AuditPage } from '../../src/contract/zone-link.ts';
import { AuditCopy, auditCopyFile } from '../../src/control-plane/observability/audit-copy.ts';
import { verifyAgainst, verifyCopy } from '../../src/control-plane/observability/verify.ts';
import { openFileSink } from '../../src/drivers/audit-sink/file.ts';
import { auditPage } from '../../src/drivers/audit-sink/page.ts';
import { collectAudit } from '../../src/main/audit-collection.ts';
import { GatewayAway } from '../../src/main/gateway-handle.ts';
import { TestClock } from '../sessions/support.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';

const now = () => Date.UTC(2026, 10, 29);
const keysOf = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    pem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicPem: String(publicKey.export({ type: 'spki', format: 'pem' })),
  };
};
const [own, others] = [keysOf(), keysOf()];
const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

/** A gateway's log, written by the very sink. */
function written(file: string, key: string, ...details: readonly string[]): void {
  const sink = openFileSink(file, key, now);
  for (const detail of details) void sink.append({ time: '2026-11-29T08:00:00.000Z', event: 'outcome', detail });
  sink.close();
}

/** Zone 0 and a gateway that shows what `show` says. */
function fleet(t: TestContext) {
  const state = scratch(t);
  const log = join(state, 'gateway.jsonl');
  written(log, own.pem, 'one', 'two');
  const clock = new TestClock();
  const alerts: (string | undefined)[] = [];
  const asked: number[] = [];
  const zone = {
    ...{ state, log, clock, alerts, asked },
    copy: auditCopyFile(state, 'edge-1'),
    free: Number.MAX_SAFE_INTEGER,
    show: (after: number): Promise<AuditPage> | AuditPage => auditPage(log, after),
    start() {
      return collectAudit({
        gateway: 'edge-1',
        copy: new AuditCopy(state, 'edge-1', own.publicPem, now),
        ask: async (after) => {
          asked.push(after);
          return zone.show(after);
        },
        clock,
        free: () => zone.free,
        alert: (detail) => void alerts.push(detail),
      });
    },
    /** So many more pages. */
    async pages(count: number) {
      for (let at = 0; at < count; at++) {
        await settled();
        clock.pass(1000);
      }
      await settled();
    },
    copied: () => readFileSync(zone.copy, 'utf8'),
    logged: () => readFileSync(log, 'utf8'),
  };
  return zone;
}

test('zone 0 has the records of a gateway byte by byte, over restarts of both, page after page', async (t) => {
  verifies('observe.audit');
  const zone = fleet(t);
  let end = zone.start();
  await zone.pages(1);
  assert.equal(zone.copied(), zone.logged());
  written(zone.log, own.pem, ...Array.from({ length: 3000 }, (_, at) => `${at} ${'ü'.repeat(200)}`));
  zone.asked.length = 0;
  await zone.pages(12);
  end();
  assert.ok(zone.asked.length > 4 && new Set(zone.asked).size > 4, `asked at ${zone.asked}`);
  assert.equal(zone.copied(), zone.logged());
  // Zone 0 was killed while it wrote.
  truncateSync(zone.copy, readFileSync(zone.copy).length - 7);
  written(zone.log, own.pem, 'after that');
  end = zone.start();
  await zone.pages(2);
  end();
  assert.equal(zone.copied(), zone.logged());
  assert.equal((await verifyCopy(zone.state, 'edge-1', own.publicPem)).holds, true);
  assert.deepEqual(zone.alerts, []);
});

type Attack = (zone: ReturnType<typeof fleet>) => void;
const lie =
  (change: (lines: string[]) => string): Attack =>
  (zone) => {
    written(zone.log, own.pem, 'three', 'four');
    const honest = auditPage(zone.log, readFileSync(zone.copy).length);
    const lines = change(honest.lines.trimEnd().split('\n'));
    zone.show = () => ({ lines, size: honest.size + 1_000_000 });
  };
const attacks: Readonly<Record<string, readonly [RegExp, Attack]>> = {
  'cuts its log': [/was cut or replaced/, ({ log }) => truncateSync(log, 200)],
  'cuts its log and lets it grow': [
    /half of one|not a record|was changed|sequence number|does not follow/,
    ({ log }) => {
      writeFileSync(log, '');
      written(log, own.pem, ...Array.from({ length: 40 }, (_, at) => `another past ${at}`));
    },
  ],
  'writes its log anew, signed with its own key': [
    /does not follow the record before it/,
    ({ log }) => {
      writeFileSync(log, '');
      written(log, own.pem, '1ne', '2wo');
      written(log, own.pem, 'three');
    },
  ],
  'leaves a record out': [
    /sequence number 8 where 7 belongs/,
    lie((lines) => lines.toSpliced(0, 1).map(ended).join('')),
  ],
  'changes a record': [
    /record 9: the record was changed/,
    lie((all) => all.map((l) => ended(l.replace('three', 'trhee'))).join('')),
  ],
  'shows what it had shown before': [
    /sequence number 1 where 7 belongs/,
    (zone) => {
      const past = zone.logged();
      zone.show = () => ({ lines: past, size: 1_000_000 });
    },
  ],
  'shows the records of another gateway': [
    /sequence number 1 where 7 belongs/,
    (zone) => {
      const log = join(zone.state, 'other.jsonl');
      written(log, others.pem, 'of edge-2');
      zone.show = () => ({ ...auditPage(log, 0), size: 1_000_000 });
    },
  ],
  'shows what no log has': [/record 7: not a record/, lie(() => 'null\n{"hash":"x"}\n')],
  'shows half a record': [
    /record 8: half of one/,
    lie(([first = '', second = '']) => `${first}\n${second.slice(0, 50)}`),
  ],
};
const ended = (line: string): string => `${line}\n`;

for (const [what, [why, attack]] of Object.entries(attacks))
  test(`a gateway that ${what} is named, and what it had shown before stays`, async (t) => {
    verifies('observe.audit');
    const zone = fleet(t);
    const end = zone.start();
    await zone.pages(1);
    const before = zone.copied();
    attack(zone);
    await zone.pages(2);
    assert.match(zone.alerts.at(-1) ?? '', /^edge-1 does not show the audit log that it had shown before/);
    assert.match(zone.alerts.at(-1) ?? '', why);
    assert.ok(zone.copied().startsWith(before));
    // It is asked no more, now or after a start, whatever it shows then.
    zone.asked.length = 0;
    await zone.pages(3);
    end();
    assert.deepEqual(zone.asked, []);
    const { holds, broken } = await verifyCopy(zone.state, 'edge-1', own.publicPem);
    assert.deepEqual([holds, why.test(broken?.why ?? '')], [false, true], broken?.why);
    zone.show = () => auditPage(zone.log, 0);
    zone.start()();
    assert.ok(zone.copied().startsWith(before));
  });

test('records of another gateway are not taken for a first log either: the signature is of another key', async (t) => {
  const zone = fleet(t);
  writeFileSync(zone.log, '');
  written(zone.log, others.pem, 'of edge-2');
  const end = zone.start();
  await zone.pages(1);
  end();
  assert.match(zone.alerts.at(-1) ?? '', /the signature is not of this key/);
});

test('a gateway that floods gets one question at a time, and none while the disk of zone 0 is nearly full', async (t) => {
  const zone = fleet(t);
  const release: (() => void)[] = [];
  zone.show = (after) => new Promise((resolve) => release.push(() => resolve(auditPage(zone.log, after))));
  written(zone.log, own.pem, ...Array.from({ length: 4000 }, (_, at) => `${at} ${'x'.repeat(500)}`));
  const end = zone.start();
  await zone.pages(5);
  assert.equal(zone.asked.length, 1);
  for (let page = 2; page < 6; page++) {
    release.shift()?.();
    await settled();
    assert.equal(zone.asked.length, page - 1, 'not before its time');
    zone.clock.pass(25);
    await settled();
    assert.equal(zone.asked.length, page);
  }
  assert.ok(readFileSync(zone.copy).length <= 4 * AUDIT_PAGE);
  zone.free = 1000;
  release.shift()?.();
  await zone.pages(3);
  assert.equal(zone.asked.length, 5);
  assert.match(zone.alerts.at(-1) ?? '', /no room for the audit records of edge-1/);
  zone.free = Number.MAX_SAFE_INTEGER;
  zone.show = (after) => auditPage(zone.log, after);
  await zone.pages(12);
  end();
  assert.equal(zone.copied(), zone.logged());
  assert.equal(zone.alerts.at(-1), undefined);
});

test('a gateway that is away is no alert; one that refuses to show its records is', async (t) => {
  const zone = fleet(t);
  zone.show = () => Promise.reject(new GatewayAway('away'));
  const end = zone.start();
  await zone.pages(2);
  assert.deepEqual(zone.alerts, []);
  zone.show = () => Promise.reject(new Error('no'));
  await zone.pages(2);
  assert.deepEqual(zone.alerts, ['the audit records of edge-1 cannot be fetched: no']);
  zone.show = (after) => auditPage(zone.log, after);
  await zone.pages(2);
  end();
  assert.deepEqual([zone.alerts.at(-1), zone.copied()], [undefined, zone.logged()]);
});

test('a log whose end was cut off at a signature verifies by itself, and not against zone 0’s copy', async (t) => {
  verifies('observe.audit');
  const zone = fleet(t);
  const end = zone.start();
  await zone.pages(1);
  end();
  const verdict = () => verifyAgainst(zone.copy, zone.log, own.publicPem);
  assert.equal((await verdict()).holds, true);
  const whole = zone.logged();
  written(zone.log, own.pem, 'later');
  assert.equal((await verdict()).holds, true);
  writeFileSync(zone.log, whole.split('\n').slice(0, 2).map(ended).join(''));
  assert.deepEqual((await verdict()).broken?.line, 3);
  appendFileSync(zone.copy, 'null\n');
  assert.throws(() => new AuditCopy(zone.state, 'edge-1', own.publicPem, now), /does not end with a record/);
});
