import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { drivers, Hosted, processesOf, ServerFiles } from './support/hosted.ts';

for (const { name, skip } of drivers)
  suite(`the limits of a sandbox in ${name}`, { skip }, () => {
    let hosted: Hosted;
    let files: ServerFiles;
    before(() => {
      hosted = new Hosted(name);
      files = new ServerFiles();
    });
    after(async () => {
      files[Symbol.dispose]();
      await hosted[Symbol.asyncDispose]();
    });

    test('a server that forks 1,000 times gets its 64 processes and no more', async () => {
      verifies('sandbox.profile');
      const script =
        'my $n = 0; for (1..1000) { my $p = fork(); next unless defined $p; if (!$p) { sleep 1000 } $n++ } $| = 1; print "$n."; sleep 1000';
      const held = await hosted.hold(files.profile(['perl', '-e', script]), '.');
      assert.equal(held.seen, '63.');
      const pid = hosted.child.pid ?? 0;
      // Those of a machine of its own are not the host's.
      assert.ok(processesOf(pid) >= (name === 'microvm-tcg' ? 1 : 64));
      await held.kill();
      assert.equal(processesOf(pid), 0);
    });

    test('a server that allocates past its limit is ended and reported as out of memory', async () => {
      verifies('sandbox.profile');
      const hog = ['node', '-e', 'const kept = []; for (;;) kept.push(Buffer.alloc(1 << 24, 1))'];
      const { exit, stdout } = await hosted.run(files.profile(hog));
      assert.deepEqual([exit.outOfMemory, stdout], [true, '']);
    });

    test('a server whose child runs out of memory is told apart from one that exits by itself', async () => {
      const { exit } = await hosted.run(files.profile(['node', '-e', 'process.exit(7)']));
      assert.deepEqual(exit, { code: 7, signal: null, outOfMemory: false });
      const killed = await hosted.run(files.profile(['sh', '-c', 'kill -TERM $$']));
      assert.deepEqual(killed.exit, { code: null, signal: 'SIGTERM', outOfMemory: false });
    });

    test('scratch holds half of the memory limit and counts as memory', async () => {
      verifies('sandbox.scratch');
      const script = 'df -B1 --output=size /tmp | tail -1; head -c 80M /dev/zero > /tmp/fill 2>/dev/null || echo full';
      const { stdout } = await hosted.run(files.profile(['sh', '-c', script]));
      assert.deepEqual(stdout.trim().split('\n'), [String(64 << 20), 'full']);
      const both = 'head -c 60M /dev/zero > /tmp/fill; exec perl -e \'my $x = "x" x (190 << 20); print "held"\'';
      const greedy = await hosted.run(files.profile(['sh', '-c', both]));
      assert.deepEqual([greedy.exit.outOfMemory, greedy.stdout], [true, '']);
    });

    test('an endless standard error neither grows our memory nor is lost at its end', async () => {
      const loud = 'my $l = "x" x 65535 . "\\n"; for (1..1024) { syswrite STDERR, $l } print STDERR "the last words"';
      const before = await hosted.memory();
      const { stderr } = await hosted.run(
        files.profile([
          'perl',
          '-e',
          `alarm 2; $SIG{ALRM} = sub { print STDERR "the last words"; exit }; ${loud} while 1`,
        ]),
      );
      assert.ok(stderr.endsWith('the last words'));
      assert.ok(Buffer.byteLength(stderr) <= 4096);
      assert.ok((await hosted.memory()) - before < 48 << 20);
    });

    test('a child of the server lives in the same limits, and none outlives it', async () => {
      verifies('sandbox.isolation');
      const script = 'setsid sh -c "exec </dev/null >/dev/null 2>&1; sleep 1000" & echo started';
      const { exit, stdout } = await hosted.run(files.profile(['sh', '-c', script]));
      assert.deepEqual([exit.code, stdout], [0, 'started\n']);
      assert.equal(processesOf(hosted.child.pid ?? 0), 0);
    });

    test('a profile without room for a server is refused rather than run without limits', async () => {
      for (const limits of [{ memory: -1 }, { memory: 0.5 }, { pids: Number.NaN }, { pids: -9 }]) {
        await assert.rejects(hosted.run(files.profile(['true'], limits)), /limit of a sandbox/);
      }
    });
  });
