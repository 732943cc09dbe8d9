import { readFileSync } from 'node:fs';
import type { Sandbox, SandboxProfile } from '../../../../contract/sandbox-driver.ts';
import type { Group } from '../../host/control-groups.ts';
import { firstLine, type Launched } from '../../host/gated-process.ts';
import { scratchOf } from '../arguments.ts';
import { Child } from './child.ts';
import type { Doors, Expected } from './doors.ts';

const streams = ['control', '0', '1', '2'] as const;
/** Milliseconds until a child that is not complete is given up. */
const patience = 10_000;

/** What the nursery is told once, before all orders. */
export interface Settings {
  /** The server's python file, whose imports are done once; null: each child becomes another program. */
  readonly file: string | null;
  readonly masked: readonly string[];
  /** The children's seccomp filter, base64. */
  readonly filter: string;
}

/** The parent of one server's sandboxes, in an outer sandbox of its own. */
export class Nursery {
  /** Resolves when it is gone, and its children with it. */
  readonly exited: Promise<void>;
  readonly #process: Launched;
  readonly #group: Group;
  readonly #doors: Doors;
  /** Tells each child that is not complete yet what became of it. */
  readonly #unborn = new Set<(why: string) => void>();
  #ended = false;

  private constructor(launched: Launched, group: Group, doors: Doors) {
    this.#process = launched;
    this.#group = group;
    this.#doors = doors;
    this.exited = launched.exited.then(() => {
      this.#ended = true;
      this.#abandon();
    });
  }

  /** @param bound milliseconds for the imports. @throws with python's own words when they end it */
  static async open(
    launched: Launched,
    group: Group,
    doors: Doors,
    settings: Settings,
    bound: number,
  ): Promise<Nursery> {
    const timer = setTimeout(() => void launched.kill(), bound);
    launched.stdin.write(`${JSON.stringify(settings)}\n`);
    const said = await firstLine(launched.stdout);
    clearTimeout(timer);
    if (said === 'imported\n') return new Nursery(launched, group, doors);
    await launched.kill();
    throw new Error(`the fork-server: ${launched.stderrTail().trim() || 'its imports did not end'}`);
  }

  get ended(): boolean {
    return this.#ended;
  }

  async end(): Promise<void> {
    await this.#process.kill();
  }

  /** One child. Rejects when any part of its profile cannot be enforced; nothing of it is left then. */
  async child(id: string, profile: SandboxProfile, group: Group): Promise<Sandbox> {
    const expected = this.#doors.expect(streams);
    let lose = (_why: string) => {};
    const lost = new Promise<never>((_, reject) => {
      lose = (why) => reject(new Error(`${why} ${this.#process.stderrTail().trim()}`.trim()));
    });
    const late = setTimeout(() => lose('the fork-server gave no sandbox in time'), patience);
    this.#unborn.add(lose);
    if (this.#ended) this.#abandon();
    try {
      return await Promise.race([this.#bear(id, profile, group, expected), lost]);
    } catch (error) {
      // What is in the group is the child; what has not come into it yet waits for an answer that it will not get.
      await group.clear();
      throw error;
    } finally {
      clearTimeout(late);
      this.#unborn.delete(lose);
      expected.close();
    }
  }

  #abandon(): void {
    for (const lose of this.#unborn) lose('the fork-server has ended');
  }

  async #bear(id: string, profile: SandboxProfile, group: Group, expected: Expected): Promise<Sandbox> {
    const order = { id: expected.id, command: profile.command, scratch: scratchOf(profile) };
    this.#process.stdin.write(`${JSON.stringify(order)}\n`);
    const { socket: control, rest } = await expected.knock('control');
    const pid = this.#hostPid(rest);
    if (pid === undefined) {
      control.destroy();
      throw new Error('the fork-server named a process that is not its child');
    }
    await group.add(pid);
    const [stdin, stdout, stderr] = await Promise.all(
      (['0', '1', '2'] as const).map(async (stream) => (await expected.knock(stream)).socket),
    );
    control.write('go\n');
    if (stdin === undefined || stdout === undefined || stderr === undefined) throw new Error('a stream is missing');
    const child = new Child(id, { control, stdin, stdout, stderr }, group);
    await child.begun;
    return child;
  }

  /** By the number that it has in the nursery's namespace, and of the nursery's own processes only. */
  #hostPid(inside: string): number | undefined {
    return this.#group.members().findLast((pid) => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      return /^NSpid:\t\d+\t(\d+)\t1$/m.exec(status)?.[1] === inside;
    });
  }
}
