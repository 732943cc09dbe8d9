import type { Socket } from 'node:net';
import type { Sandbox, SandboxExit } from '../../../../contract/sandbox-driver.ts';
import type { Group } from '../../host/control-groups.ts';
import { signalNames } from '../../host/gated-process.ts';
import { StderrTail } from '../../host/stderr-tail.ts';

/** The connections of a child: what its first process says, and the server's three streams. */
export interface Streams {
  readonly control: Socket;
  readonly stdin: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

/** One child of a nursery, in a group of its own. */
export class Child implements Sandbox {
  readonly id: string;
  readonly stdin: Socket;
  readonly stdout: Socket;
  /** Resolves when its profile is in force and the server begins; rejects with why that cannot be. */
  readonly begun: Promise<void>;
  readonly exited: Promise<SandboxExit>;
  readonly #group: Group;
  readonly #stderr: StderrTail;

  constructor(id: string, { control, stdin, stdout, stderr }: Streams, group: Group) {
    this.id = id;
    this.stdin = stdin;
    this.stdout = stdout;
    this.#group = group;
    this.#stderr = new StderrTail(stderr);
    // They go one way each; what a server writes to its input is not asked for.
    stdout.end();
    stderr.end();
    stdin.resume();
    let fault = 'the sandbox was not completed';
    let status: Pick<SandboxExit, 'code' | 'signal'> = { code: null, signal: 'SIGKILL' };
    const gone = new Promise<void>((resolve) => control.once('close', resolve));
    this.begun = new Promise((resolve, reject) => {
      let said = '';
      control.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (said + chunk).split('\n');
        said = lines.pop() ?? '';
        for (const line of lines) {
          const [, word, rest = ''] = /^(\w+) ?(.*)$/.exec(line) ?? [];
          if (word === 'ready') resolve();
          if (word === 'error') fault = rest;
          if (word === 'exit') status = { code: Number(rest), signal: null };
          if (word === 'signal') status = { code: null, signal: signalNames.get(Number(rest)) ?? rest };
        }
      });
      control.once('end', () => control.destroy());
      void gone.then(() => reject(new Error(fault)));
    });
    this.exited = gone.then(() => this.#end()).then((outOfMemory) => ({ ...status, outOfMemory }));
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  kill(): Promise<SandboxExit> {
    this.#group.kill();
    return this.exited;
  }

  /** Its first process ends before the last of its namespace is gone; the group tells when all are. */
  async #end(): Promise<boolean> {
    const outOfMemory = this.#group.outOfMemory();
    await this.#group.clear();
    this.stdin.destroy();
    await this.#stderr.finish();
    return outOfMemory;
  }
}
