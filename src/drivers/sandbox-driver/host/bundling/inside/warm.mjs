// Runs in a sandbox: starts the bundle once, lets it shake hands, and prints as JSON what V8 compiled for that:
// the name of its directory, and the names of the files there with their bytes in base64.
//   node warm.mjs START ARG…
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Milliseconds that the server has for its two answers. */
const patience = 10_000;
const cache = '/tmp/cache';
const [, , start, ...args] = process.argv;
const keep = join(import.meta.dirname, 'keep.cjs');
const child = spawn(process.execPath, ['--require', keep, start, ...args], {
  stdio: ['pipe', 'pipe', 'ignore'],
  env: { ...process.env, NODE_COMPILE_CACHE: cache },
});
const gone = once(child, 'exit');
const end = () => child.kill('SIGUSR2');
setTimeout(end, patience).unref();
child.stdin.on('error', () => {});
let answers = 0;
child.stdout.on('data', (chunk) => {
  for (const byte of chunk) if (byte === 10) answers++;
  if (answers >= 2) end();
});
const clientInfo = { name: 'innerkeep', version: '1' };
for (const message of [
  { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list', params: {} },
])
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
await gone;
const [directory = 'none'] = names(cache);
const files = names(join(cache, directory)).map((name) => [name, readFileSync(join(cache, directory, name), 'base64')]);
process.stdout.write(JSON.stringify({ directory, files }), () => process.exit());

function names(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
