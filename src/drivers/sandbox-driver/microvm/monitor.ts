import type { Duplex } from 'node:stream';

const longest = 64 * 1024;

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc?: unknown };
}

/** QEMU's machine protocol (QMP) over a descriptor that only its process has. */
export class Monitor {
  readonly #port: Duplex;
  readonly #waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  #held = '';

  constructor(port: Duplex) {
    this.#port = port;
    port.on('data', (chunk: Buffer) => this.#receive(chunk.toString('utf8')));
    port.once('close', () => this.#end());
    port.on('error', () => this.#end());
  }

  /** @throws with QEMU's own words */
  execute(command: string, values: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#port.write(`${JSON.stringify({ execute: command, arguments: values })}\n`);
    });
  }

  /** Nothing more is said here: what is not needed by a running guest is not kept open. */
  close(): void {
    this.#port.destroy();
  }

  #receive(text: string): void {
    const lines = (this.#held + text).split('\n');
    this.#held = lines.pop() ?? '';
    try {
      if (this.#held.length > longest) throw new RangeError('a line of the monitor is too long');
      for (const line of lines) this.#reply(JSON.parse(line) as Reply);
    } catch {
      this.close();
    }
  }

  /** Greetings and events are passed over. */
  #reply(reply: Reply): void {
    if (!('return' in reply) && !('error' in reply)) return;
    const waiting = this.#waiting.shift();
    if (reply.error) waiting?.reject(new Error(`QEMU: ${String(reply.error.desc)}`));
    else waiting?.resolve(reply.return);
  }

  #end(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('QEMU has ended'));
  }
}
