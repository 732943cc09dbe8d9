import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { files, home } from '../support/tree.ts';

interface Cruise {
  modules: { source: string }[];
  summary: { violations: { from: string; rule: { name: string } }[] };
}

function cruise(cwd: string): Cruise {
  const tool = join(home, 'node_modules/.bin/depcruise');
  const run = spawnSync(process.execPath, [tool, 'src', '-c', '.dependency-cruiser.cjs', '-T', 'json'], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return JSON.parse(run.stdout) as Cruise;
}

test('the import rules hold, and every module of src was looked at', () => {
  const { modules, summary } = cruise(home);
  assert.deepEqual(summary.violations, []);
  const seen = modules.map(({ source }) => source).filter((path) => path.startsWith('src/'));
  assert.deepEqual(seen.sort(), [...files('src/**/*.{ts,mjs,cjs}')].sort());
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
  const copy = mkdtempSync(join(tmpdir(), 'ik-planted-'));
  try {
    for (const name of ['src', 'test/support', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
      cpSync(join(home, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(home, 'node_modules'), join(copy, 'node_modules'));
    const planted = violations.map(([folder, code, rule], at) => {
      const source = `${folder}/planted-${at}/x.ts`;
      mkdirSync(join(copy, folder, `planted-${at}`));
      // One folder down: relative imports of the table are written as if from `folder`.
      writeFileSync(join(copy, source), code.replace(/'(\.\.?\/)/, "'../$1"));
      return { rule, source };
    });
    const found = cruise(copy).summary.violations;
    for (const { source, rule } of planted) {
      assert.ok(
        found.some((v) => v.from === source && v.rule.name === rule),
        `${rule} did not find ${source}`,
      );
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
});
