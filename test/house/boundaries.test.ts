import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { files, home } from '../support/tree.ts';

interface Cruise {
  modules: { source: string }[];
  summary: { violations: { from: string; rule: { name: string } }[] };
}

function cruise(...paths: string[]): Cruise {
  const tool = join(home, 'node_modules/.bin/depcruise');
  const run = spawnSync(process.execPath, [tool, ...paths, '-c', '.dependency-cruiser.cjs', '-T', 'json'], {
    cwd: home,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return JSON.parse(run.stdout) as Cruise;
}

test('the import rules hold, and every module of src was looked at', () => {
  const { modules, summary } = cruise('src');
  assert.deepEqual(summary.violations, []);
  const seen = modules.map(({ source }) => source).filter((path) => path.startsWith('src/'));
  assert.deepEqual(seen.sort(), files('src/**/*.ts'));
});

// Each line would open a way round a wall. [folder it is planted in, what it imports, the rule that must refuse it]
const violations = [
  ['src/contract', "import 'node:path';", 'contract-imports-nothing'],
  ['src/gateway/authorization', "import '../input-validation/validate.ts';", 'stage-imports-no-other-stage'],
  ['src/gateway/authorization', "import '../../drivers/audit-sink/file.ts';", 'gateway'],
  ['src/gateway/authorization', "import 'node:fs';", 'files'],
  ['src/gateway/authorization', "import 'node:net';", 'sockets'],
  ['src/runtime/sandboxing', "import 'node:child_process';", 'child-process'],
  ['src/runtime/sandboxing', "import '../../control-plane/observability/verify.ts';", 'runtime'],
  ['src/control-plane/observability', "import 'node:vm';", 'no-evaluation'],
  ['src/control-plane/observability', "import '../../main.ts';", 'main-is-imported-by-none'],
  ['src/cli', "import '../drivers/audit-sink/file.ts';", 'cli'],
  ['src/cli', "import '../../test/support/tree.ts';", 'src-never-imports-test'],
  ['src/cli', "import 'fast-check';", 'declared'],
] as const;

test('each import rule can fail: a planted violation is found', () => {
  const planted = violations.map(([folder, code, rule]) => {
    const dir = mkdtempSync(join(home, folder, 'planted-'));
    // One folder down: relative imports of the table are written as if from `folder`.
    writeFileSync(join(dir, 'x.ts'), code.replace(/'(\.\.?\/)/, "'../$1"));
    return { dir, rule, source: `${folder}/${basename(dir)}/x.ts` };
  });
  try {
    const found = cruise('src').summary.violations;
    for (const { source, rule } of planted) {
      assert.ok(found.some((v) => v.from === source && v.rule.name === rule), `${rule} did not find ${source}`);
    }
  } finally {
    for (const { dir } of planted) rmSync(dir, { recursive: true });
  }
});
