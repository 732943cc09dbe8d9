import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { home } from '../../support/tree.ts';

const main = join(home, 'src/main.ts');

/** A process of a fleet: its own command, run where the configuration is. */
export class ZoneProcess {
  readonly ready: Readonly<Record<string, string>>;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  /** Resolves when it says that it is ready. @param within what it is started by */
  static start(cwd: string, words: readonly string[], within: readonly string[] = []): Promise<ZoneProcess> {
    const [command = '', ...args] = [...within, process.execPath, main, ...words, '--json'];
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let complaints = '';
    child.stderr.on('data', (chunk) => {
      complaints = `${complaints}${chunk}`.slice(-50_000);
    });
    return new Promise((resolve, reject) => {
      // Not at its exit: what it complained of may still be in the pipe.
      child.once('close', (code) => reject(new Error(`${words.join(' ')}: exit ${code}\n${complaints}`)));
      createInterface({ input: child.stdout }).once('line', (line) =>
        resolve(new ZoneProcess(child, JSON.parse(line), () => complaints)),
      );
    });
  }

  constructor(child: ChildProcess, ready: Readonly<Record<string, string>>, stderr: () => string) {
    this.#child = child;
    this.ready = ready;
    this.stderr = stderr;
    this.exited = new Promise((resolve) => child.once('exit', resolve));
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await this.exited;
  }
}
