import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noRedis } from '../state/support.ts';
import { modern, result, text } from './support/attempts.ts';
import { Fleet } from './support/fleet.ts';
import { Wire } from './support/wire.ts';

test('a client without a session is served by whichever replica it reaches', {
  skip: noRedis,
  timeout: 300_000,
}, async (t) => {
  const fleet = await Fleet.start(t);
  const wire = new Wire(fleet, await fleet.token());
  t.after(() => wire.close());
  for (let turn = 0; turn < 6; turn++) {
    const call = { name: 'old__echo', arguments: { text: `hello ${turn}` } };
    assert.equal(text(await result(modern(wire, 'tools/call', call))), `hello ${turn}`);
  }
  for (const at of fleet.ports.keys()) {
    const log = readFileSync(join(fleet.workspace.dir, `edge-${at}/gateway/audit/audit.jsonl`), 'utf8');
    assert.match(
      log,
      /"event":"outcome"[^\n]*"action":"old\/echo"|"action":"old\/echo"[^\n]*"event":"outcome"/,
      `replica ${at}`,
    );
  }
});
