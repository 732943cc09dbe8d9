import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { family, gone } from '../support/processes.ts';
import { Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { until } from '../support/until.ts';

const files = {
  'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nservers: {}\n',
  'policies/none.cedar': '',
  'server/server.mjs': 'setInterval(() => {}, 1000);',
};
let workspace: Workspace;
afterEach(() => workspace?.remove());

/** Ctrl-C as soon as a runtime zone is there, which then tries its sandbox: in the middle of a start. */
async function interrupted(...argv: string[]): Promise<{ code: number | null; said: string }> {
  const temporary = join(workspace.dir, 'tmp');
  mkdirSync(temporary);
  const child = spawn(process.execPath, [join(home, 'src/main.ts'), ...argv], {
    cwd: workspace.dir,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const ended = once(child, 'close');
  const everyone = (): readonly { readonly pid: number; readonly command: string }[] => family(child.pid ?? 0);
  await until(() => {
    assert.equal(child.exitCode, null, said);
    return everyone().some(({ command }) => command.includes('zone-runtime'));
  });
  const pids = everyone().map(({ pid }) => pid);
  child.kill('SIGINT');
  const [code] = await ended;
  await gone(pids);
  assert.deepEqual(readdirSync(temporary), []);
  return { code, said };
}

test('Ctrl-C while up starts: exit 0, no word, no process, nothing in the temporary directory, no claim', async () => {
  workspace = new Workspace(files);
  const { code, said } = await interrupted('up');
  assert.equal(code, 0);
  // Whatever Node this is, of the interruption there is no word.
  assert.match(said, /^(?:innerkeep: warning: node .*\n)?$/);
  assert.deepEqual(readdirSync(join(workspace.dir, '.innerkeep/run')), []);
});

test('Ctrl-C while add asks a server that hangs: configuration and lock stay as they were', async () => {
  workspace = new Workspace(files);
  const { code } = await interrupted('add', './server', '--name', 'hangs', '--yes', '--', 'node', 'server.mjs');
  assert.equal(code, 130);
  assert.equal(readFileSync(join(workspace.dir, 'innerkeep.yaml'), 'utf8'), files['innerkeep.yaml']);
  assert.equal(existsSync(join(workspace.dir, 'innerkeep.lock')), false);
});
