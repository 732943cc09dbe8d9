import { spawn } from 'node:child_process';
import type { Sandbox, SandboxDriver, SandboxExit } from '../../src/contract/sandbox-driver.ts';

/** Plain node processes behind the sandbox seam, for tests that are not about isolation. Counts what it started. */
export function plainDriver(): SandboxDriver & { readonly started: () => number; readonly alive: () => number } {
  let started = 0;
  const alive = new Set<number>();
  return {
    started: () => started,
    alive: () => alive.size,
    probe: async () => ({ driver: 'plain', version: '0', controls: [], mend: undefined }),
    start: async ({ command, root }): Promise<Sandbox> => {
      const id = ++started;
      const [program = '', ...args] = command;
      const child = spawn(program === 'node' ? process.execPath : program, args, { cwd: root, stdio: 'pipe', env: {} });
      alive.add(id);
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => {
        stderr = (stderr + chunk.toString('latin1')).slice(-4096);
      });
      child.stdin.on('error', () => {});
      const exited = new Promise<SandboxExit>((resolve) => {
        child.once('close', (code, signal) => {
          alive.delete(id);
          resolve({ code, signal, outOfMemory: false });
        });
      });
      return {
        id: `plain-${id}`,
        stdin: child.stdin,
        stdout: child.stdout,
        exited,
        stderrTail: () => stderr,
        kill: () => {
          child.kill('SIGKILL');
          child.stdout.destroy();
          child.stderr.destroy();
          return exited;
        },
      };
    },
  };
}
