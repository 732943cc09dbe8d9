import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Held, type Hosted, ServerFiles } from '../support/hosted.ts';
import { Victim } from '../support/victims.ts';
import type { Attempt, Targets } from './attempt.ts';
import { orders, runner } from './run.ts';

/** Another sandbox of the same server, with something to find in every place where it could leave it. */
const neighbour = `
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
for (const place of ['/tmp', '/dev/shm']) writeFileSync(place + '/secret', 'secret');
setInterval(() => readFileSync('/srv/shared'), 20);
createServer().listen('\\0' + process.argv[2], () => console.log('up'));
`;

/** What a hostile server would like to reach, and what it was told when it tried. */
export class Scene implements AsyncDisposable {
  readonly said: ReadonlyMap<Attempt, string>;
  readonly #directory: string;
  readonly #files: ServerFiles;
  readonly #victim: Victim;
  readonly #sibling: Held;
  readonly #before: unknown;

  private constructor(
    said: ReadonlyMap<Attempt, string>,
    directory: string,
    files: ServerFiles,
    victim: Victim,
    sibling: Held,
    before: unknown,
  ) {
    this.said = said;
    this.#directory = directory;
    this.#files = files;
    this.#victim = victim;
    this.#sibling = sibling;
    this.#before = before;
  }

  /** @param uid the host's user whom sandboxes run as */
  static async play(hosted: Hosted, attempts: readonly Attempt[], uid: number): Promise<Scene> {
    const directory = mkdtempSync(join(tmpdir(), 'ik-scene-'));
    const [data, out] = [join(directory, 'data'), join(directory, 'out')];
    for (const path of [data, out]) mkdirSync(path);
    writeFileSync(join(data, 'letter'), 'dear host');
    for (const path of [directory, data]) chmodSync(path, 0o755);
    chmodSync(out, 0o777);
    chmodSync(join(data, 'letter'), 0o666);
    const files = new ServerFiles({ 'run.mjs': runner, 'neighbour.mjs': neighbour, shared: 'shared' });
    const victim = await Victim.start(uid);
    const sibling = `ik-sibling-${process.pid}`;
    const held = await hosted.hold(files.profile(['node', 'neighbour.mjs', sibling]), 'up');
    const { pid, port, abstract, key } = victim;
    const targets: Targets = { pid, port, abstract, key, sibling, data, shared: '/srv/shared' };
    const before = asItIs(data);
    const mounts = [
      { from: data, to: '/data', mode: 'ro' },
      { from: out, to: '/out', mode: 'rw' },
    ] as const;
    const profile = files.profile(['node', 'run.mjs'], { mounts, memory: 256 << 20 });
    const { stdout, stderr } = await hosted.run(profile, orders(attempts, targets));
    const lines = stdout.trim().split('\n');
    assert.equal(lines.length, attempts.length, stderr);
    const said = new Map(attempts.map((attempt, index) => [attempt, JSON.parse(lines[index] ?? '') as string]));
    return new Scene(said, directory, files, victim, held, before);
  }

  /** Throws when the host, the other process or the other sandbox felt anything. */
  async witness(): Promise<void> {
    assert.deepEqual(asItIs(join(this.#directory, 'data')), this.#before);
    for (const name of readdirSync(join(this.#directory, 'out')))
      assert.equal(statSync(join(this.#directory, 'out', name)).mode & 0o6000, 0, name);
    assert.ok(this.#victim.alive);
    await this.#sibling.kill();
    const { exit } = await this.#sibling.ended;
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL', outOfMemory: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#victim[Symbol.asyncDispose]();
    this.#files[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true });
  }
}

/** What of the host a sandbox that got out would change. */
function asItIs(data: string): unknown {
  const setting = (name: string) => readFileSync(`/proc/sys/${name}`, 'utf8');
  const { nlink, mode } = statSync(join(data, 'letter'));
  return {
    settings: ['kernel/core_pattern', 'kernel/hostname', 'vm/overcommit_memory'].map(setting),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8'),
    name: hostname(),
    data: [readdirSync(data), readFileSync(join(data, 'letter'), 'utf8'), nlink, mode],
  };
}
