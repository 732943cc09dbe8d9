import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { home, read } from '../support/tree.ts';
import { until } from '../support/until.ts';

/** The README's own commands, as they are written: `npm start` in one terminal, the marked blocks in another. */
const blocks = [...read('README.md').matchAll(/<!-- run -->\n```sh\n([\s\S]*?)```/g)].map(([, code]) => String(code));
let start: ReturnType<typeof spawn>;
let printed = '';

before(async () => {
  start = spawn('npm', ['start'], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  for (const stream of [start.stdout, start.stderr]) {
    stream?.on('data', (chunk) => {
      printed += chunk;
    });
  }
  await until(() => {
    assert.equal(start.exitCode, null, printed);
    return /^self-check: /m.test(printed);
  });
});
after(async () => {
  if (start.exitCode !== null || start.pid === undefined) return;
  // Ctrl-C in a terminal reaches the whole foreground group.
  process.kill(-start.pid, 'SIGINT');
  await once(start, 'exit');
});

async function shell(code: string): Promise<string> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', code], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const [code_] = await once(child, 'close');
  assert.equal(code_, 0, `${code}\n${said}`);
  return said;
}

test('npm start prints the URL, the snippet and a self-check that passed', () => {
  assert.match(printed, /^self-check: passed/m);
  assert.match(printed, /https:\/\/localhost:\d+\/mcp/);
  const snippet = JSON.parse(/^\{\n[\s\S]*?^\}/m.exec(printed)?.[0] ?? '');
  assert.equal(snippet.mcpServers.innerkeep.args[0], 'connect');
});

test('the first call answers, the second is refused, the log has both', async () => {
  const [read_, refused, audit] = blocks;
  assert.match(await shell(String(read_)), /hello/i);
  const answer = await shell(String(refused));
  assert.match(answer, /Not permitted/);
  const incident = /inc_\w+/.exec(answer)?.[0] ?? 'none';
  const log = await shell(String(audit));
  assert.match(log, new RegExp(`"incident":"${incident}".*"code":"policy"`));
  assert.match(log, /^holds/m);
});

test('token, tools and policy explain say what the README says', async () => {
  const said = await shell(String(blocks[3]));
  assert.match(said, /^eyJ[\w.-]+$/m);
  assert.match(said, /read_text_file/);
  assert.match(said, /deny|refus|not canonical/i);
  assert.equal(blocks.length, 4);
});
