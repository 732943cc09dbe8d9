import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { AuditRecord } from '../../src/contract/audit-sink.ts';
import { verifyChain } from '../../src/control-plane/observability/verify.ts';
import { openFileSink } from '../../src/drivers/audit-sink/file.ts';
import { verifies } from '../support/verifies.ts';

const dir = mkdtempSync(join(tmpdir(), 'ik-audit-'));
after(() => rmSync(dir, { recursive: true }));
const keys = generateKeyPairSync('ed25519');
const pem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const now = () => Date.UTC(2026, 10, 22);
let count = 0;

function log(details: readonly string[]): string {
  const file = join(dir, `${++count}.jsonl`);
  const sink = openFileSink(file, pem, now);
  for (const detail of details) void sink.append(record(detail));
  sink.close();
  return file;
}
const record = (detail: string): AuditRecord => ({ time: '2026-11-22T00:00:00.000Z', event: 'outcome', detail });

test('a log verifies with nothing but the file and the public key', async () => {
  verifies('observe.audit');
  const verdict = await verifyChain(log(['a', 'b', 'c']), publicPem);
  assert.deepEqual({ ...verdict, records: 0 }, { holds: true, records: 0, sealed: 7 });
});

test('refuses a log in which any one line was changed, dropped, repeated or swapped', async () => {
  const lines = readFileSync(log(['a', 'b', 'c', 'd']), 'utf8')
    .trimEnd()
    .split('\n');
  const file = join(dir, 'tampered.jsonl');
  const holds = async (changed: readonly string[]) => {
    writeFileSync(file, `${changed.join('\n')}\n`);
    return (await verifyChain(file, publicPem)).holds;
  };
  assert.equal(await holds(lines), true);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    assert.equal(await holds(lines.with(at, line.replace('2026', '2025'))), false, `changed ${at}`);
    assert.equal(await holds(lines.toSpliced(at, 0, line)), false, `repeated ${at}`);
    if (at < lines.length - 1) {
      assert.equal(await holds(lines.toSpliced(at, 1)), false, `dropped ${at}`);
      assert.equal(await holds(lines.with(at, lines[at + 1] as string).with(at + 1, line)), false, `swapped ${at}`);
    }
  }
});

test('refuses a chain that somebody without the key computed anew', async () => {
  const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const file = join(dir, 'forged.jsonl');
  const sink = openFileSink(file, other, now);
  void sink.append(record('never happened'));
  sink.close();
  assert.match((await verifyChain(file, publicPem)).broken?.why ?? '', /not of this key/);
});

test('what a tool says cannot split or forge a line (A5)', async () => {
  verifies('observe.audit');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 8 }), async (details) => {
      const hostile = [...details, 'x\u2028{"seq":9}', '\r\n{"event":"stop"}', '\u202egnp.exe', '"}\n'];
      const file = log(hostile);
      const text = readFileSync(file, 'utf8');
      assert.doesNotMatch(text, /[\r\u0085\u2028\u2029\u202e]/);
      const read = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; detail?: string });
      assert.deepEqual(
        read.filter((r) => r.event === 'outcome').map((r) => r.detail),
        hostile,
      );
      assert.equal((await verifyChain(file, publicPem)).holds, true);
    }),
    { numRuns: 50 },
  );
});

test('a line that a killed process left half-written is moved aside and the chain goes on', async () => {
  const file = log(['before']);
  appendFileSync(file, '{"seq":99,"prev":"half a li');
  const sink = openFileSink(file, pem, now);
  void sink.append(record('after'));
  sink.close();
  assert.equal((await verifyChain(file, publicPem)).holds, true);
  const aside = readdirSync(dir).filter((name) => name.includes('.torn-'));
  assert.equal(readFileSync(join(dir, aside[0] as string), 'utf8'), '{"seq":99,"prev":"half a li');
});

test('does not continue a log whose last line was changed', () => {
  const file = log(['a']);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"event":"seal"(?!.*"event":"seal")/s, '"event":"sael"'));
  assert.throws(() => openFileSink(file, pem, now), /does not bear its own hash/);
});

test('records of one turn are one write: all of them or, where there is no room, none', async () => {
  verifies('observe.audit');
  const file = join(dir, 'batch.jsonl');
  const sink = openFileSink(file, pem, now);
  const before = readFileSync(file, 'utf8');
  const both = [sink.append(record('first')), sink.append(record('second'))];
  assert.equal(readFileSync(file, 'utf8'), before);
  await Promise.all(both);
  const lines = readFileSync(file, 'utf8').slice(before.length).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { detail: string }).detail),
    ['first', 'second'],
  );
  void sink.append(record('nobody waited'));
  sink.close();
  assert.match(readFileSync(file, 'utf8'), /nobody waited/);
  assert.equal((await verifyChain(file, publicPem)).holds, true);
});

test('a full disk refuses records, kills nobody, and the chain goes on where there is room again', async () => {
  verifies('observe.audit');
  const [file, key] = [join(dir, 'full.jsonl'), join(dir, 'full.pem')];
  writeFileSync(key, pem);
  // Records until one is refused; then the time comes for a signature, which has no room either.
  const script = `
    import { readFileSync } from 'node:fs';
    import { mock } from 'node:test';
    import { openFileSink } from ${JSON.stringify(join(import.meta.dirname, '../../src/drivers/audit-sink/file.ts'))};
    mock.timers.enable({ apis: ['setTimeout'] });
    const sink = openFileSink(${JSON.stringify(file)}, readFileSync(${JSON.stringify(key)}, 'utf8'), Date.now);
    const record = { time: '2026-11-22T00:00:00.000Z', event: 'outcome', detail: 'x'.repeat(100) };
    let refused = '';
    for (let at = 0; at < 100 && refused === ''; at++)
      try { await sink.append(record); } catch (error) { refused = error.code; }
    mock.timers.tick(5000);
    console.log(refused, 'and alive');
    process.exit();
  `;
  const limited = ['-c', 'ulimit -f 4; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script];
  assert.equal(execFileSync('/bin/sh', limited, { encoding: 'utf8' }).trim(), 'EFBIG and alive');
  const sink = openFileSink(file, pem, now);
  void sink.append(record('there is room again'));
  sink.close();
  assert.equal((await verifyChain(file, publicPem)).holds, true);
});
