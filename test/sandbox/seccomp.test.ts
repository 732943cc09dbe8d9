import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sandboxMakerFilter, seccompFilter } from '../../src/drivers/sandbox-driver/host/seccomp-filter.ts';
import { verifies } from '../support/verifies.ts';

/**
 * A reader of classic BPF as the kernel has it, for the opcodes that seccomp(2) allows, so that the filter of the other
 * architecture is tested here too.
 */
function verdict(filter: Uint8Array, call: { machine: number; number: number; args?: readonly bigint[] }): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.machine, true);
  (call.args ?? []).forEach((value, index) => {
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, value), true);
  });
  const program = new DataView(filter.buffer);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const [code, yes, no] = [
      program.getUint16(at * 8, true),
      program.getUint8(at * 8 + 2),
      program.getUint8(at * 8 + 3),
    ];
    const value = program.getUint32(at * 8 + 4, true);
    if (code === 0x20) accumulator = data.getUint32(value, true);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) at += accumulator === value ? yes : no;
    else if (code === 0x35) at += accumulator >= value ? yes : no;
    else if (code === 0x45) at += (accumulator & value) !== 0 ? yes : no;
    else if (code === 0x06) return value;
    else throw new Error(`opcode ${code}`);
  }
  throw new Error('the program has no end');
}

const ALLOW = 0x7fff0000;
const EPERM = 0x50001;
const ENOSYS = 0x50026;
const KILL = 0x80000000;
const machines = {
  x64: {
    machine: 0xc000003e,
    other: 0x40000003,
    read: 0,
    execve: 59,
    futex: 202,
    ptrace: 101,
    mount: 165,
    bpf: 321,
    keyctl: 250,
    io_uring: 425,
    userfaultfd: 323,
    unshare: 272,
    setns: 308,
    process_vm_writev: 311,
    kexec_load: 246,
    socket: 41,
    socketpair: 53,
    clone: 56,
    clone3: 435,
    ioctl: 16,
    prctl: 157,
    fchmod: 91,
    fchmodat: 268,
    mknodat: 259,
    openat: 257,
    fcntl: 72,
    memfd_create: 319,
    mmap: 9,
  },
  arm64: {
    machine: 0xc00000b7,
    other: 0x40000028,
    read: 63,
    execve: 221,
    futex: 98,
    ptrace: 117,
    mount: 40,
    bpf: 280,
    keyctl: 219,
    io_uring: 425,
    userfaultfd: 282,
    unshare: 97,
    setns: 268,
    process_vm_writev: 271,
    kexec_load: 104,
    socket: 198,
    socketpair: 199,
    clone: 220,
    clone3: 435,
    ioctl: 29,
    prctl: 167,
    fchmod: 52,
    fchmodat: 53,
    mknodat: 33,
    openat: 56,
    fcntl: 25,
    memfd_create: 279,
    mmap: 222,
  },
} as const;

for (const architecture of ['x64', 'arm64'] as const) {
  const calls = machines[architecture];
  const filter = seccompFilter(architecture);
  const judge = (number: number, ...args: (number | bigint)[]) =>
    verdict(filter, { machine: calls.machine, number, args: args.map(BigInt) });

  test(`${architecture}: the filter allows what servers need and refuses what leads out (seccomp(2))`, () => {
    verifies('sandbox.profile');
    for (const number of [calls.read, calls.execve, calls.futex]) assert.equal(judge(number), ALLOW);
    for (const name of [
      'ptrace',
      'mount',
      'bpf',
      'keyctl',
      'io_uring',
      'userfaultfd',
      'unshare',
      'setns',
      'process_vm_writev',
      'kexec_load',
    ] as const) {
      assert.equal(judge(calls[name]), EPERM, name);
    }
    assert.equal(judge(calls.clone3), ENOSYS);
    assert.equal(judge(452), ENOSYS);
    assert.ok(filter.length / 8 <= 4096, 'BPF_MAXINSNS');
  });

  test(`${architecture}: a call of another architecture kills, whatever its number`, () => {
    verifies('sandbox.profile');
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 0xffffffff }),
        (machine, number) => {
          fc.pre(machine !== calls.machine);
          assert.equal(verdict(filter, { machine, number }), KILL);
        },
      ),
    );
    assert.equal(verdict(filter, { machine: calls.other, number: calls.read }), KILL);
    assert.equal(judge(0x40000000 + calls.read), KILL);
    assert.equal(judge(0xffffffff), KILL);
  });

  test(`${architecture}: sockets are unix, internet (TCP, UDP) or routing netlink, and nothing else`, () => {
    verifies('sandbox.isolation');
    const word = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffffffff }));
    fc.assert(
      fc.property(word, word, word, (family, type, protocol) => {
        const plain = [1, 2, 5].includes(type & 0xf);
        const allowed =
          (family === 1 && plain) ||
          ([2, 10].includes(family) && plain && [0, 6, 17].includes(protocol)) ||
          (family === 16 && protocol === 0);
        assert.equal(judge(calls.socket, family, type, protocol), allowed ? ALLOW : EPERM);
        assert.equal(judge(calls.socketpair, family, type, protocol), family === 1 && plain ? ALLOW : EPERM);
      }),
      { numRuns: 2000 },
    );
  });

  test(`${architecture}: no file is made or changed so that it sets its user or group (inode(7))`, () => {
    verifies('sandbox.profile');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0o7777 }), fc.boolean(), (mode, creates) => {
        const lends = (mode & 0o6000) !== 0;
        assert.equal(judge(calls.fchmod, 3, mode), lends ? EPERM : ALLOW);
        assert.equal(judge(calls.fchmodat, 3, 0, mode), lends ? EPERM : ALLOW);
        assert.equal(judge(calls.mknodat, 3, 0, mode), lends ? EPERM : ALLOW);
        const verdict = judge(calls.openat, 3, 0, creates ? 0o101 : 0o1, mode);
        assert.equal(verdict, creates && lends ? EPERM : ALLOW);
      }),
    );
    assert.equal(judge(calls.openat, 3, 0, 0o20200002, 0o4755), EPERM, 'O_TMPFILE');
    assert.equal(judge(437), ENOSYS, 'openat2 has its mode in memory');
  });

  test(`${architecture}: no file is watched or leased by fcntl, and no page is a huge one`, () => {
    verifies('sandbox.profile');
    const [setLease, notify] = [1024, 1026];
    for (const command of [setLease, notify, 2000, 0xffffffff]) assert.equal(judge(calls.fcntl, 3, command), EPERM);
    const [setFlags, lock, openFileLock, duplicate, addSeals] = [4, 6, 37, 1030, 1033];
    for (const command of [setFlags, lock, openFileLock, duplicate, addSeals])
      assert.equal(judge(calls.fcntl, 3, command), ALLOW);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fffffff }), (flags) => {
        assert.equal(judge(calls.memfd_create, 0, flags), (flags & 4) !== 0 ? EPERM : ALLOW);
        assert.equal(judge(calls.mmap, 0, 4096, 3, flags), (flags & 0x40000) !== 0 ? EPERM : ALLOW);
      }),
    );
  });

  test(`${architecture}: what the kernel cuts off an argument does not fool the filter`, () => {
    verifies('sandbox.profile');
    const high = 0xdeadbeef00000000n;
    assert.equal(judge(calls.ioctl, 0, high | 0x5412n), EPERM);
    assert.equal(judge(calls.socket, high | 40n, 1n, 0n), EPERM);
    assert.equal(judge(calls.prctl, high | 1n), EPERM);
    assert.equal(judge(calls.fcntl, 3, high | 1026n), EPERM);
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (flags) => {
        assert.equal(judge(calls.clone, flags), (flags & 0x7e020000n) === 0n ? ALLOW : EPERM);
      }),
    );
  });

  test(`${architecture}: who makes sandboxes forks into namespaces of users and processes, and into no other`, () => {
    verifies('sandbox.profile');
    const maker = sandboxMakerFilter(architecture);
    const made = (number: number, ...args: bigint[]) => verdict(maker, { machine: calls.machine, number, args });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (flags) => {
        assert.equal(made(calls.clone, flags), (flags & 0x4e020000n) === 0n ? ALLOW : EPERM);
      }),
    );
    assert.equal(made(calls.clone, 0x30000011n), ALLOW);
    for (const call of [calls.mount, calls.unshare]) assert.equal(made(call), ALLOW);
    for (const call of [calls.setns, calls.ptrace, calls.bpf, calls.process_vm_writev]) assert.equal(made(call), EPERM);
    assert.equal(made(calls.clone3), ENOSYS);
  });
}
