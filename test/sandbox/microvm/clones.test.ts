import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { ftruncateSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { anonymousMemory, seal } from '../../../src/drivers/sandbox-driver/microvm/memory.ts';
import { verifies } from '../../support/verifies.ts';
import { absent, groupsOf, Hosted, ServerFiles } from '../support/hosted.ts';

/** What a program may take for its own: the kernel's randomness by each way, node's, and its layout. */
const taken = `
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
const random = '/proc/sys/kernel/random/';
const own = [randomUUID(), String(Math.random()), ...['uuid', 'boot_id'].map((name) => readFileSync(random + name, 'utf8').trim())];
own.push(readFileSync('/proc/self/auxv').toString('hex'));
console.log(JSON.stringify({ own, now: Date.now() }));
`;

suite('clones of a micro-VM', { skip: absent('microvm') }, () => {
  let hosted: Hosted;
  let files: ServerFiles;
  before(() => {
    files = new ServerFiles({ 'taken.mjs': taken });
    hosted = new Hosted('microvm-tcg');
  });
  after(async () => {
    files[Symbol.dispose]();
    await hosted[Symbol.asyncDispose]();
  });

  test('share no random output, no identifier, no layout and not the clock of their template', async () => {
    verifies('sandbox.isolation');
    const began = Date.now();
    const said: { own: string[]; now: number }[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const { stdout, stderr } = await hosted.run(files.profile(['node', 'taken.mjs']));
      assert.equal(stderr, '');
      said.push(JSON.parse(stdout));
    }
    const all = said.flatMap(({ own }) => own);
    assert.equal(all.length, 3 * 5);
    assert.equal(new Set(all).size, all.length, all.join('\n'));
    // A template's clock would have stood still since it was frozen, and each would begin anew from there.
    const times = [began, ...said.map(({ now }) => now), Date.now() + 1000];
    assert.deepEqual(times, times.toSorted());
  });

  test('run in a process that sees no file, user, network or monitor of the host', {
    skip: absent('root'),
  }, async () => {
    verifies('sandbox.profile');
    const held = await hosted.hold(files.profile(['sh', '-c', 'echo up; sleep 1000']), 'up');
    try {
      const machine = machinesOf(hosted.child.pid ?? 0)[0] ?? '';
      assert.deepEqual(readdirSync(`/proc/${machine}/root`).sort(), ['dev', 'guest', 'lib', 'lib64', 'proc', 'usr']);
      const status = readFileSync(`/proc/${machine}/status`, 'utf8');
      for (const line of [
        /^Uid:\t65534\t65534\t65534\t65534$/m,
        /^CapEff:\t0+$/m,
        /^NoNewPrivs:\t1$/m,
        /^Seccomp:\t2$/m,
      ])
        assert.match(status, line);
      for (const kind of ['net', 'mnt', 'pid', 'ipc', 'user', 'uts'])
        assert.notEqual(readlinkSync(`/proc/${machine}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
      // The wire and its own complaints; the monitor was closed before the server began.
      const sockets = readdirSync(`/proc/${machine}/fd`).filter((descriptor) =>
        readlinkSync(`/proc/${machine}/fd/${descriptor}`).startsWith('socket:'),
      );
      assert.deepEqual(sockets, ['0', '1', '2']);
    } finally {
      await held.kill();
    }
  });

  test("cannot write their template's memory, whoever opens it how", async () => {
    verifies('sandbox.isolation');
    const memory = await anonymousMemory(1 << 20);
    writeSync(memory, 'frozen', 0);
    seal(memory);
    const again = openSync(`/proc/self/fd/${memory}`, 'r+');
    for (const descriptor of [memory, again]) {
      assert.throws(() => writeSync(descriptor, 'thawed', 0), { code: 'EPERM' });
      assert.throws(() => ftruncateSync(descriptor, 0), { code: 'EPERM' });
    }
    const mapped =
      'import mmap, sys\ntry: mmap.mmap(0, 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)\nexcept PermissionError: print("refused")';
    const said = execFileSync('/usr/bin/python3', ['-c', mapped], {
      stdio: [memory, 'pipe', 'inherit'],
      encoding: 'utf8',
    });
    assert.equal(said, 'refused\n');
    const bytes = Buffer.alloc(6);
    readSync(again, bytes, 0, 6, 0);
    assert.equal(bytes.toString(), 'frozen');
  });
});

/** The QEMU processes of a driver's process. */
function machinesOf(pid: number): string[] {
  return [
    ...new Set(groupsOf(pid).flatMap((group) => readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n'))),
  ].filter((member) => member !== '' && readlinkSync(`/proc/${member}/exe`).includes('qemu'));
}
