import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { absent, Hosted, processesWith, ServerFiles } from './support/hosted.ts';

/** Group directories that the driver of this process made, wherever the machine's hierarchies allow them. */
function groupsOf(pid: number): string[] {
  return readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' }).filter((path) =>
    new RegExp(`(^|/)innerkeep\\.\\d+\\.${pid}\\.\\d+\\.\\d+$`).test(path),
  );
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 10));
}

suite('the life of a sandbox in bubblewrap', { skip: absent('bubblewrap') }, () => {
  let files: ServerFiles;
  before(() => {
    files = new ServerFiles({
      'echo.mjs': 'process.stdin.pipe(process.stdout)',
      'hello.py': 'print("hello from python")',
    });
  });
  after(() => files[Symbol.dispose]());

  test('a node server answers byte for byte, also when nobody reads for a while', async () => {
    await using hosted = new Hosted();
    const text = `${'0123456789abcdef'.repeat(1 << 16)}\n`;
    const { exit, stdout } = await hosted.run(files.profile(['node', 'echo.mjs']), text);
    assert.deepEqual([exit.code, stdout === text], [0, true]);
  });

  test('a python server of the host runs', { skip: absent('python3') }, async () => {
    await using hosted = new Hosted();
    const { stdout } = await hosted.run(files.profile(['python3', 'hello.py']));
    assert.equal(stdout, 'hello from python\n');
  });

  test('nothing of one sandbox is there in the next', async () => {
    verifies('sandbox.isolation');
    await using hosted = new Hosted();
    const script = 'ls -A /tmp /dev/shm; pgrep -c sleep; echo left > /tmp/left; setsid sleep 1000 &';
    for (let turn = 0; turn < 2; turn++) {
      const { stdout } = await hosted.run(files.profile(['sh', '-c', script]));
      assert.equal(stdout, '/dev/shm:\n\n/tmp:\n0\n');
    }
  });

  test('a killed host process takes every sandbox with it, even one that left its session (kill -9)', async () => {
    verifies('sandbox.isolation');
    const marker = `orphan-${process.pid}`;
    await using hosted = new Hosted();
    // An exec from a second thread and a new session drop what a process itself was given of its parent's death.
    const script = 'setsid sh -c "trap : TERM HUP INT; sleep 1000" & setsid sleep 1000 & echo up; sleep 1000';
    const profile = files.profile(['sh', '-c', script, marker]);
    const held = await Promise.all(Array.from({ length: 4 }, () => hosted.hold(profile, 'up')));
    for (const { ended } of held) ended.catch(() => {});
    assert.ok(processesWith(marker) >= 4);
    const pid = hosted.child.pid ?? 0;
    const gone = once(hosted.child, 'exit');
    hosted.child.kill('SIGKILL');
    await gone;
    await until(() => processesWith(marker) === 0);
    assert.equal(processesWith(marker), 0);
    assert.ok(groupsOf(pid).length > 0);
    await using next = new Hosted();
    await next.run(files.profile(['true']));
    assert.deepEqual(groupsOf(pid), []);
  });

  test('a host process that is killed while it starts sandboxes leaves none (kill -9)', async () => {
    const marker = `early-${process.pid}`;
    for (const turn of [0, 1, 2, 3, 4, 5]) {
      await using hosted = new Hosted();
      const profile = files.profile(['sh', '-c', 'sleep 1000', marker]);
      for (let n = 0; n < 6; n++) hosted.run(profile).catch(() => {});
      await until(() => processesWith(marker) > turn);
      const gone = once(hosted.child, 'exit');
      hosted.child.kill('SIGKILL');
      await gone;
    }
    await until(() => processesWith(marker) === 0);
    assert.equal(processesWith(marker), 0);
  });

  test('kill ends everything and leaves no group behind, twice is as good as once', async () => {
    await using hosted = new Hosted();
    const marker = `killed-${process.pid}`;
    const held = await hosted.hold(files.profile(['sh', '-c', 'sleep 1000 & echo up; sleep 1000', marker]), 'up');
    await Promise.all([held.kill(), held.kill()]);
    const { exit } = await held.ended;
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL', outOfMemory: false });
    assert.equal(processesWith(marker), 0);
    await held.kill();
    assert.deepEqual(groupsOf(hosted.child.pid ?? 0), []);
  });

  test('descriptors that the host process inherited do not reach the server', async () => {
    verifies('sandbox.isolation');
    const unshare = process.getuid?.() === 0 ? 'unshare --mount --propagation private' : '';
    await using hosted = new Hosted('', [
      'bash',
      '-c',
      `exec 9</etc/passwd 11</etc/shadow 77</etc/shadow 200>/dev/null; exec ${unshare} "$@"`,
      'bash',
    ]);
    const { stdout } = await hosted.run(files.profile(['sh', '-c', 'ls -l /proc/self/fd | sed -n "s/.*-> //p"']));
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .filter((target) => !/^(socket|pipe):|^\/proc\/\d+\/fd$/.test(target)),
      [],
    );
  });
});
