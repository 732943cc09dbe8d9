import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { absent, drivers, groupsOf, Hosted, processesOf, ServerFiles } from './support/hosted.ts';

for (const { name, skip } of drivers)
  suite(`the life of a sandbox in ${name}`, { skip }, () => {
    let files: ServerFiles;
    before(() => {
      files = new ServerFiles({
        'echo.mjs': 'process.stdin.pipe(process.stdout)',
        'hello.py': 'print("hello from python")',
      });
    });
    after(() => files[Symbol.dispose]());

    test('a node server answers byte for byte, also when nobody reads for a while', async () => {
      await using hosted = new Hosted(name);
      const text = `${'0123456789abcdef'.repeat(1 << 16)}\n`;
      const { exit, stdout } = await hosted.run(files.profile(['node', 'echo.mjs']), text);
      assert.deepEqual([exit.code, stdout === text], [0, true]);
    });

    test('a python server of the host runs', { skip: absent('python3') }, async () => {
      await using hosted = new Hosted(name);
      const { stdout } = await hosted.run(files.profile(['python3', 'hello.py']));
      assert.equal(stdout, 'hello from python\n');
    });

    test('nothing of one sandbox is there in the next', async () => {
      verifies('sandbox.isolation');
      await using hosted = new Hosted(name);
      const script =
        'echo /tmp/* /dev/shm/*; pgrep -c sleep; echo left | tee /tmp/left > /dev/shm/left; setsid sleep 1000 &';
      for (let turn = 0; turn < 2; turn++) {
        const { stdout } = await hosted.run(files.profile(['sh', '-c', script]));
        assert.equal(stdout, '/tmp/* /dev/shm/*\n0\n');
      }
    });

    test('a killed host process takes every sandbox with it, even one that left its session (kill -9)', async () => {
      verifies('sandbox.isolation');
      await using hosted = new Hosted(name);
      // An exec from a second thread and a new session drop what a process itself was given of its parent's death.
      const script = 'setsid sh -c "trap : TERM HUP INT; sleep 1000" & setsid sleep 1000 & echo up; sleep 1000';
      const profile = files.profile(['sh', '-c', script]);
      const held = await Promise.all(Array.from({ length: 4 }, () => hosted.hold(profile, 'up')));
      for (const { ended } of held) ended.catch(() => {});
      const pid = hosted.child.pid ?? 0;
      assert.ok(processesOf(pid) >= 4 * (name === 'microvm-tcg' ? 1 : 4));
      const gone = once(hosted.child, 'exit');
      hosted.child.kill('SIGKILL');
      await gone;
      await until(() => processesOf(pid) === 0);
      assert.ok(groupsOf(pid).length > 0);
      await using next = new Hosted(name);
      await next.run(files.profile(['true']));
      assert.deepEqual(groupsOf(pid), []);
    });

    test('a host process that is killed while it starts sandboxes leaves none (kill -9)', async () => {
      // A virtual machine is one process of the host.
      for (const moment of name === 'microvm-tcg' ? [1, 2, 3, 6] : [1, 2, 3, 6, 12, 18]) {
        await using hosted = new Hosted(name);
        const pid = hosted.child.pid ?? 0;
        const profile = files.profile(['sleep', '1000']);
        for (let n = 0; n < 6; n++) hosted.run(profile).catch(() => {});
        await until(() => processesOf(pid) >= moment);
        const gone = once(hosted.child, 'exit');
        hosted.child.kill('SIGKILL');
        await gone;
        await until(() => processesOf(pid) === 0);
      }
    });

    test('kill ends everything and leaves no group behind, twice is as good as once', async () => {
      await using hosted = new Hosted(name);
      const held = await hosted.hold(files.profile(['sh', '-c', 'sleep 1000 & echo up; sleep 1000']), 'up');
      await Promise.all([held.kill(), held.kill()]);
      const { exit } = await held.ended;
      assert.deepEqual(exit, { code: null, signal: 'SIGKILL', outOfMemory: false });
      assert.equal(processesOf(hosted.child.pid ?? 0), 0);
      await held.kill();
      assert.deepEqual(groupsOf(hosted.child.pid ?? 0), []);
    });

    test('descriptors that the host process inherited do not reach the server', async () => {
      verifies('sandbox.isolation');
      const unshare = process.getuid?.() === 0 ? 'unshare --mount --propagation private' : '';
      await using hosted = new Hosted(name, {
        wrap: [
          'bash',
          '-c',
          `exec 9</etc/passwd 11</etc/shadow 77</etc/shadow 200>/dev/null; exec ${unshare} "$@"`,
          'bash',
        ],
      });
      const { stdout } = await hosted.run(
        files.profile(['sh', '-c', 'for fd in /proc/self/fd/*; do readlink $fd; done']),
      );
      assert.deepEqual(
        stdout
          .trim()
          .split('\n')
          .filter((target) => !/^(socket|pipe|host):/.test(target)),
        [],
      );
    });
  });

test('without its options, since the driver died before it gave them, bubblewrap has nothing to run', {
  skip: absent('bubblewrap'),
}, () => {
  verifies('sandbox.isolation');
  const uid = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const nothing = openSync('/dev/null', 'r');
  const args = ['--args', '3', '--', '/bin/sh', '-c', 'echo ran'];
  const { stdout, stderr } = spawnSync('/usr/bin/bwrap', args, {
    stdio: ['ignore', 'pipe', 'pipe', nothing],
    cwd: '/',
    ...uid,
  });
  closeSync(nothing);
  assert.deepEqual([String(stdout), /execvp/.test(String(stderr))], ['', true], String(stderr));
});
