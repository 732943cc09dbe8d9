import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('docs/configuration.md and the JSON Schema are what the schema says', () => {
  const script = join(import.meta.dirname, '../../scripts/generate-docs.ts');
  const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
});
