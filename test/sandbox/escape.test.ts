import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import type { Attempt, Targets } from './escapes/attempt.ts';
import { files as hostFiles } from './escapes/files.ts';
import { kernel } from './escapes/kernel.ts';
import { processes } from './escapes/processes.ts';
import { orders, outside, runner } from './escapes/run.ts';
import { drivers, type Held, Hosted, ServerFiles } from './support/hosted.ts';
import { Victim } from './support/victims.ts';

const attempts: readonly Attempt[] = [...kernel, ...hostFiles, ...processes];

/** Another sandbox of the same server, with something to find in every place where it could leave it. */
const neighbour = `
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
for (const place of ['/tmp', '/dev/shm']) writeFileSync(place + '/secret', 'secret');
setInterval(() => readFileSync('/srv/shared'), 20);
createServer().listen('\\0' + process.argv[2], () => console.log('up'));
`;

for (const driver of drivers)
  suite(`a hostile server in ${driver.name}`, { skip: driver.skip }, () => {
    let hosted: Hosted;
    let files: ServerFiles;
    let victim: Victim;
    let sibling: Held;
    let targets: Targets;
    let scene: string;
    let host: unknown;
    let said: string[];
    before(async () => {
      scene = mkdtempSync(join(tmpdir(), 'ik-scene-'));
      const [data, out] = [join(scene, 'data'), join(scene, 'out')];
      for (const directory of [data, out]) mkdirSync(directory);
      writeFileSync(join(data, 'letter'), 'dear host');
      for (const path of [scene, data, out]) chmodSync(path, path === out ? 0o777 : 0o755);
      chmodSync(join(data, 'letter'), 0o666);
      files = new ServerFiles({ 'run.mjs': runner, 'neighbour.mjs': neighbour, shared: 'shared' });
      victim = await Victim.start();
      hosted = new Hosted(driver.name);
      const name = `ik-sibling-${process.pid}`;
      sibling = await hosted.hold(files.profile(['node', 'neighbour.mjs', name]), 'up');
      const { pid, port, abstract, key } = victim;
      targets = { pid, port, abstract, key, sibling: name, data, shared: '/srv/shared' };
      host = asItIs(data);
      const mounts = [
        { from: data, to: '/data', mode: 'ro' },
        { from: out, to: '/out', mode: 'rw' },
      ] as const;
      const profile = files.profile(['node', 'run.mjs'], { mounts, memory: 256 << 20 });
      const { stdout, stderr } = await hosted.run(profile, orders(attempts, targets));
      said = stdout.trim().split('\n');
      assert.equal(said.length, attempts.length, stderr);
    });
    after(async () => {
      await victim[Symbol.asyncDispose]();
      await hosted[Symbol.asyncDispose]();
      files[Symbol.dispose]();
      rmSync(scene, { recursive: true });
    });

    for (const [index, { tries, of }] of attempts.entries()) {
      const granted = of === 'kernel' && driver.kernel === 'own';
      test(granted ? `tries ${tries}, on no kernel but its own` : `is refused ${tries}`, () => {
        verifies('sandbox.profile', 'sandbox.isolation', 'sandbox.scratch');
        assert.match(JSON.parse(said[index] ?? '""'), granted ? /^(got|refused) / : /^refused /);
      });
    }

    test('has changed nothing of the host, of another process or of another sandbox', async () => {
      verifies('sandbox.isolation');
      assert.deepEqual(asItIs(targets.data), host);
      assert.ok(victim.alive);
      await sibling.kill();
      const { exit } = await sibling.ended;
      assert.deepEqual(exit, { code: null, signal: 'SIGKILL', outOfMemory: false });
    });
  });

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

suite('without a sandbox the same tools', { skip: process.platform === 'linux' ? false : 'linux' }, () => {
  let victim: Victim;
  before(async () => {
    victim = await Victim.start();
  });
  after(() => victim[Symbol.asyncDispose]());
  for (const attempt of attempts.filter(({ getsOutside }) => getsOutside))
    test(`get ${attempt.tries}`, () => {
      const { pid, port, abstract, key } = victim;
      const targets = { pid, port, abstract, key, sibling: '', data: '/tmp', shared: '/etc/passwd' };
      assert.match(outside(attempt, targets), /^got /);
    });
});
