import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { serverFile } from './clients.ts';

export interface Remote {
  readonly url: string;
  stop(): void;
}

/** One of the servers here, over HTTP on a port of its own. */
export async function startRemote(era: 'legacy' | 'modern'): Promise<Remote> {
  const child: ChildProcess = spawn(process.execPath, [serverFile('http.mjs'), era], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('no output');
  const [port] = await once(createInterface({ input: child.stdout }), 'line');
  return { url: `http://127.0.0.1:${port}/mcp`, stop: () => void child.kill() };
}
