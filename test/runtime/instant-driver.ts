import type { Sandbox, SandboxDriver, SandboxExit } from '../../src/contract/sandbox-driver.ts';

const HELLO = JSON.stringify({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} });

/** A sandbox without a process, whose server answers its handshake in the next turn. */
export class InstantSandbox implements Sandbox {
  readonly id: string;
  readonly server: string;
  readonly memory: number;
  readonly exited: Promise<SandboxExit>;
  readonly stdin = { write: (line: Uint8Array | string) => this.#answer(String(line)), end: () => {} };
  readonly stdout: ReadableStream<Uint8Array>;
  #exit: (exit: SandboxExit) => void = () => {};
  #output: ReadableStreamDefaultController<Uint8Array> | undefined;
  alive = true;

  constructor(id: number, server: string, memory: number, gone: () => void) {
    this.id = `instant-${id}`;
    this.server = server;
    this.memory = memory;
    this.stdout = new ReadableStream({
      start: (controller) => {
        this.#output = controller;
      },
    });
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
    void this.exited.then(gone);
  }

  /** Also what it does when it dies by itself. */
  kill(): Promise<SandboxExit> {
    if (this.alive) this.#output?.close();
    this.alive = false;
    this.#exit({ code: null, signal: 'SIGKILL', outOfMemory: false });
    return this.exited;
  }

  stderrTail(): string {
    return '';
  }

  #answer(line: string): boolean {
    const { id, method } = JSON.parse(line);
    const outcome =
      method === 'server/discover'
        ? '"error":{"code":-32601,"message":"no"}'
        : `"result":${method === 'ping' ? '{}' : HELLO}`;
    if (id !== undefined) this.#output?.enqueue(Buffer.from(`{"jsonrpc":"2.0","id":${id},${outcome}}\n`));
    return true;
  }
}

/** A driver whose starts come to their end when, and as, a test wants it. */
export class InstantDriver implements SandboxDriver {
  readonly living = new Set<InstantSandbox>();
  readonly starts: { finish(): void; fail(): void }[] = [];
  #count = 0;

  async probe() {
    return { driver: 'instant', version: '0', controls: [], mend: undefined };
  }

  start({ name, memory }: { readonly name: string; readonly memory: number }): Promise<Sandbox> {
    return new Promise((resolve, reject) => {
      this.starts.push({
        finish: () => {
          const sandbox = new InstantSandbox(++this.#count, name, memory, () => this.living.delete(sandbox));
          this.living.add(sandbox);
          resolve(sandbox);
        },
        fail: () => reject(new Error('as the test wants it')),
      });
    });
  }
}
