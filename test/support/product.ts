import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { token } from '../../src/cli/token.ts';
import { home } from './tree.ts';

const main = join(home, 'src/main.ts');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory with a configuration of its own, and the real command run in it. */
export class Workspace {
  readonly dir = mkdtempSync(join(tmpdir(), 'ik-'));
  /** What `up` is started by, in front of its own argument vector. */
  within: readonly string[] = [];

  /** @param files relative path → text */
  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.dir, path)), { recursive: true });
      writeFileSync(join(this.dir, path), text);
    }
  }

  run(...argv: string[]): Promise<Ran> {
    return this.pipe('', ...argv);
  }

  pipe(stdin: string, ...argv: string[]): Promise<Ran> {
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [main, ...argv],
        { cwd: this.dir, maxBuffer: 1 << 26 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
      child.stdin?.end(stdin);
    });
  }

  /** Runs a command that has to succeed. */
  async must(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...argv);
    if (code !== 0) throw new Error(`innerkeep ${argv.join(' ')}: exit ${code}\n${stderr}`);
    return stdout;
  }

  /** `innerkeep token` in this process: hundreds of starts of a command are most of what tests would wait for. */
  async token(...argv: string[]): Promise<string> {
    let [stdout, stderr] = ['', ''];
    const code = await token(argv, {
      stateDir: join(this.dir, '.innerkeep'),
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
    });
    if (code !== 0) throw new Error(`innerkeep token ${argv.join(' ')}: exit ${code}\n${stderr}`);
    return stdout.trim();
  }

  /** `up --json`, resolved when it says that it is ready. */
  up(...argv: string[]): Promise<Product> {
    const [command = '', ...args] = [...this.within, process.execPath, main, 'up', '--json', ...argv];
    const child = spawn(command, args, {
      cwd: this.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let complaints = '';
    child.stderr.on('data', (chunk) => {
      complaints = `${complaints}${chunk}`.slice(-20_000);
    });
    return new Promise((resolve, reject) => {
      // Not at its exit: what it complained of may still be in the pipe.
      child.once('close', (code) => reject(new Error(`up: exit ${code}\n${complaints}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line) as Ready;
        if (event.event === 'ready') resolve(new Product(this, child, event, () => complaints));
      });
    });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

interface Ready {
  readonly event: string;
  readonly mcp: string;
  readonly issuer: string;
  readonly admin: string;
  readonly ca: string;
}

/** A running `innerkeep up`. */
export class Product {
  readonly workspace: Workspace;
  readonly ready: Ready;
  readonly pid: number;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(workspace: Workspace, child: ChildProcess, ready: Ready, stderr: () => string) {
    this.workspace = workspace;
    this.ready = ready;
    this.stderr = stderr;
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = new Promise((resolve) => child.once('exit', resolve));
  }

  get ca(): string {
    return readFileSync(this.ready.ca, 'utf8');
  }

  /** Of alice of acme, unless somebody else is named; for an hour, unless its life is. */
  token(...argv: string[]): Promise<string> {
    const who = argv.includes('--subject') ? [] : ['--subject', 'alice', '--tenant', 'acme'];
    const life = argv.includes('--ttl') ? [] : ['--ttl', '1h'];
    return this.workspace.token(...who, ...life, ...argv);
  }

  /** @param revoked a token, or the `jti` of one */
  async revoke(revoked: string): Promise<void> {
    await this.workspace.token('--revoke', revoked);
  }

  /** Ctrl-C, and all that follows from it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGINT');
    await this.exited;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
