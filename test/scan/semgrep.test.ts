import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { CodeFile, Language } from '../../src/control-plane/scan/files.ts';
import type { Finding } from '../../src/control-plane/scan/finding.ts';
import { SEMGREP_VERSION, semgrepFindings, semgrepFolder } from '../../src/control-plane/scan/semgrep/semgrep.ts';
import { semgrep } from '../../src/main/runtime-client.ts';
import { absent } from '../sandbox/support/hosted.ts';
import { Workspace } from '../support/product.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { clean, hostile, type Sample } from './samples.ts';

const folder = semgrepFolder(process.env);
const languages = { js: 'javascript', ts: 'typescript', tsx: 'typescript', py: 'python' } as const;
const idsIn = (findings: readonly Finding[], file: string) =>
  [...new Set(findings.filter((one) => one.file === file).map(({ rule }) => rule.id))].sort();

test('the component that is brought is the one whose output is read', () => {
  const table = readFileSync(join(import.meta.dirname, '../../scripts/servers/components.mjs'), 'utf8');
  assert.equal(/name: 'semgrep',\s+version: '([^']+)'/.exec(table)?.[1], SEMGREP_VERSION);
});

suite('semgrep, in a sandbox', { skip: folder === undefined ? 'semgrep' : absent('bubblewrap') }, () => {
  const program = folder ?? '';
  const scanned = (code: readonly CodeFile[]) =>
    semgrepFindings(program, code, (run) => semgrep(run, join(program, '../state')));
  const file = (path: string, language: Language): CodeFile => ({ path, language });

  test('finds what our own scan finds, and is as quiet where that is', async (t) => {
    verifies('input.static');
    const samples: readonly Sample[] = [...hostile, ...clean];
    const home = scratch(t, Object.fromEntries(samples.map((one, at) => [`${at}.${one.in}`, one.source])));
    const paths = samples.map((one, at) => join(home, `${at}.${one.in}`));
    const findings = await scanned(samples.map((one, at) => file(paths[at] ?? '', languages[one.in])));
    samples.forEach(({ id, beyond, source }, at) => {
      const expected = id === undefined || beyond === 'semgrep' ? [] : [id];
      assert.deepEqual(idsIn(findings, paths[at] ?? ''), expected, source);
    });
  });

  test('a comment, an ignore file and a name in a hostile tree leave nothing out', async (t) => {
    verifies('input.static');
    const home = scratch(t, {
      '.semgrepignore': '*\n',
      'a.js': 'eval(args.code) // nosemgrep\n',
      'node_modules/x.min.js': '\n\neval(args.code)\n',
      'tests/--config.js': 'eval(args.code)\n',
    });
    const names = ['a.js', 'node_modules/x.min.js', 'tests/--config.js'];
    const findings = await scanned(names.map((name) => file(join(home, name), 'javascript')));
    for (const name of names) assert.deepEqual(idsIn(findings, join(home, name)), ['js.eval'], name);
    assert.equal(findings.find(({ file }) => file.endsWith('.min.js'))?.line, 3);
    assert.equal(findings[0]?.what, 'eval(args.code)');
  });

  test('a file that it cannot finish is told, and the others are read', async (t) => {
    const home = scratch(t, { 'deep.js': `eval(${'['.repeat(200_000)}`, 'b.py': 'import os\nos.system(x)\n' });
    const findings = await scanned([file(join(home, 'deep.js'), 'javascript'), file(join(home, 'b.py'), 'python')]);
    assert.deepEqual(idsIn(findings, join(home, 'deep.js')), ['scan.unfinished']);
    assert.deepEqual(idsIn(findings, join(home, 'b.py')), ['py.exec']);
  });

  test('scan gives one finding for both, and SARIF a run for each', async (t) => {
    const workspace = new Workspace({ 'k/a.ts': 'eval(x as string)\n', 'k/b.py': '__import__("os").system(c)\n' });
    t.after(() => workspace.remove());
    const { code, stdout } = await workspace.run('scan', 'k', '--json');
    assert.equal(code, 1);
    const { findings } = JSON.parse(stdout);
    const by = findings.map((one: { rule: { id: string }; by: string[] }) => [one.rule.id, one.by]);
    assert.deepEqual(by.sort(), [
      ['js.eval', ['innerkeep', 'semgrep']],
      ['py.exec', ['innerkeep']],
    ]);
    const { runs } = JSON.parse((await workspace.run('scan', 'k', '--sarif')).stdout);
    assert.deepEqual(
      runs.map((run: { tool: { driver: { name: string } }; results: unknown[] }) => [
        run.tool.driver.name,
        run.results.length,
      ]),
      [
        ['innerkeep', 2],
        ['semgrep', 1],
      ],
    );
  });
});

test('a semgrep that speaks of what it was not asked, in another form, or not at all, is an error and no silence', async (t) => {
  verifies('input.static');
  const home = scratch(t, { 'a.js': '1' });
  const code = [{ path: join(home, 'a.js'), language: 'javascript' }] as const;
  const place = { start: { line: 1, offset: 0 }, end: { line: 1, offset: 1 } };
  for (const said of [
    '',
    '{}',
    '{"results":[],"errors":[{"error_type":"Fatal error","message":"no rules"}]}',
    JSON.stringify({ results: [{ check_id: 'js.eval', path: '/etc/passwd', ...place }], errors: [] }),
    JSON.stringify({ results: [{ check_id: 'x', path: '/srv/0.js', ...place }], errors: [] }),
  ]) {
    const [finding] = await semgrepFindings('/nowhere', code, async () => said);
    assert.deepEqual([finding?.rule.id, finding?.rule.level], ['scan.semgrep-failed', 'error'], said);
  }
  const [killed] = await semgrepFindings('/nowhere', code, async () => Promise.reject(new Error('killed')));
  assert.deepEqual([killed?.rule.id, killed?.what], ['scan.semgrep-failed', 'killed']);
});

suite('the sandbox of semgrep', { skip: absent('bubblewrap') }, () => {
  test('a scanner that was taken over has no network, no other file and no place to write, and what it floods is cut', async (t) => {
    verifies('input.static');
    const home = scratch(t, { 'secret.txt': 'secret', 'program/x': '', 'rules/rules.yaml': '', 'files/0.js': '' });
    const program = join(home, 'program');
    const taken = (script: string): Promise<string> => {
      writeFileSync(join(program, 'semgrep-core'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return semgrep(
        { program, rules: join(home, 'rules'), root: join(home, 'files'), targets: '[]' },
        join(home, 'state'),
      );
    };
    assert.equal(
      await taken(
        `cat ${home}/secret.txt 2>/dev/null; echo x 2>/dev/null >/srv/0.js; ls /sys/class/net 2>/dev/null; cat /tmp/targets; grep -c : /proc/net/dev`,
      ),
      '[]1\n',
    );
    await assert.rejects(taken('yes | head -c 70000000'), /more than 67108864 bytes/);
    await assert.rejects(taken('exit 3'), /ended with 3/);
  });
});
