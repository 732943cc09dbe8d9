import { type Architecture, allowedCalls, highestKnown, judged } from './system-calls.ts';

/** Offsets in the kernel's `struct seccomp_data`; the low word of a 64-bit argument comes first on both machines. */
const callNumber = 0;
const machine = 4;
const argument = (index: number): number => 16 + 8 * index;

/** Classic BPF opcodes (linux/bpf_common.h). */
const LOAD = 0x20;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

/** Verdicts (linux/seccomp.h); the low half of ERRNO is the error. */
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const EPERM = 0x00050000 | 1;
const ENOSYS = 0x00050000 | 38;

const auditMachine: Record<Architecture, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** x32 calls carry this bit on x86_64; no call of aarch64 is as high. */
const x32 = 0x40000000;

interface Instruction {
  readonly code: number;
  readonly value: number;
  /** Distances to jump when the test holds and when it does not. */
  readonly yes: number;
  readonly no: number;
}

type Program = readonly Instruction[];

const load = (offset: number): Instruction => ({ code: LOAD, value: offset, yes: 0, no: 0 });
const answer = (verdict: number): Instruction => ({ code: RETURN, value: verdict, yes: 0, no: 0 });

/** Runs `then` when the accumulator passes the test, else `otherwise`; both end in an answer. */
function branch(code: number, value: number, then: Program, otherwise: Program): Program {
  // The shorter half comes first, since it is what the jump has to reach over.
  if (then.length < otherwise.length) {
    return [{ code, value, yes: 0, no: reach(then.length) }, ...then, ...otherwise];
  }
  return [{ code, value, yes: reach(otherwise.length), no: 0 }, ...otherwise, ...then];
}

function reach(distance: number): number {
  if (distance > 255) throw new RangeError('a classic BPF jump reaches 255 instructions');
  return distance;
}

const allow: Program = [answer(ALLOW)];
const deny: Program = [answer(EPERM)];

/** `then` when the accumulator is one of `values`. */
function oneOf(values: readonly number[], then: Program, otherwise: Program = deny): Program {
  const tests = values.map((value, index) => ({
    code: JUMP_EQUAL,
    value,
    yes: reach(values.length - 1 - index + otherwise.length),
    no: 0,
  }));
  return [...tests, ...otherwise, ...then];
}

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const stream = 1;
const datagram = 2;
const sequenced = 5;
const namespaces = 0x7e020000;

/** ioctl requests: terminal state and size, bytes waiting, flags, reflinks, names and addresses of interfaces. */
const requests = [
  0x5401, 0x5402, 0x5403, 0x5404, 0x802c542a, 0x540f, 0x5411, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451, 0x5452,
  0x40049409, 0x8910, 0x8912, 0x8913, 0x8915, 0x891b, 0x8927, 0x8933,
];
/** prctl options: dumpable, name, seccomp, bounding set (read), timer slack, subreaper, no_new_privs, tags, VMA names. */
const options = [2, 3, 4, 15, 16, 21, 22, 23, 29, 30, 36, 37, 38, 39, 55, 56, 0x53564d41];

/**
 * fcntl commands: descriptors, flags, locks, who is signalled, pipe sizes, seals, write hints. Not F_SETLEASE, which keeps
 * whoever opens a file of our user waiting, nor F_NOTIFY, which tells what inotify would.
 */
const commands = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38],
  ...[1025, 1027, 1028, 1030, 1031, 1032, 1033, 1034, 1035, 1036, 1037, 1038],
];
/** MFD_HUGETLB and MAP_HUGETLB: the host's huge pages are in no memory limit. */
const hugeFile = 0x4;
const hugeMapping = 0x40000;

const socketType: Program = [
  load(argument(1)),
  { code: AND, value: 0xf, yes: 0, no: 0 },
  ...oneOf([stream, datagram, sequenced], allow),
];
/** Protocol 0 (the type's own), TCP or UDP. */
const internet: Program = [load(argument(2)), ...oneOf([0, 6, 17], socketType)];
const netlink: Program = [load(argument(2)), ...oneOf([NETLINK_ROUTE], allow)];

/** S_ISUID and S_ISGID: on a writable mount, such a file would lend our user to everybody on the host (inode(7)). */
const identity = 0o6000;
/** O_CREAT and O_TMPFILE's own bit: without them the mode is whatever was in the register. */
const creating = 0o20000100;
const modeIn = (index: number): Program => [load(argument(index)), ...branch(JUMP_ANY_BIT, identity, deny, allow)];
const opening = (flags: number): Program => [
  load(argument(flags)),
  ...branch(JUMP_ANY_BIT, creating, modeIn(flags + 1), allow),
];

/** The kernel takes all of these arguments as 32-bit values, so that the low word decides. */
const judgements: Record<keyof typeof judged, Program> = {
  socket: [
    load(argument(0)),
    ...oneOf([AF_UNIX], socketType, oneOf([AF_INET, AF_INET6], internet, oneOf([AF_NETLINK], netlink))),
  ],
  socketpair: [load(argument(0)), ...oneOf([AF_UNIX], socketType)],
  chmod: modeIn(1),
  fchmod: modeIn(1),
  fchmodat: modeIn(2),
  creat: modeIn(1),
  fcntl: [load(argument(1)), ...oneOf(commands, allow)],
  memfd_create: [load(argument(1)), ...branch(JUMP_ANY_BIT, hugeFile, deny, allow)],
  mmap: [load(argument(3)), ...branch(JUMP_ANY_BIT, hugeMapping, deny, allow)],
  mknod: modeIn(1),
  mknodat: modeIn(2),
  open: opening(1),
  openat: opening(2),
  // Its mode lies in memory, as clone3's flags do; who uses it knows kernels that lack it.
  openat2: [answer(ENOSYS)],
  clone: [load(argument(0)), ...branch(JUMP_ANY_BIT, namespaces, deny, allow)],
  // Its flags lie in memory where no filter can read them; C libraries fall back to clone on ENOSYS only.
  clone3: [answer(ENOSYS)],
  ioctl: [load(argument(1)), ...oneOf(requests, allow)],
  prctl: [load(argument(0)), ...oneOf(options, allow)],
};

/** What makes a sandbox: a child in namespaces of users and processes, the loopback brought up, capabilities given up. */
const usersAndProcesses = 0x30000000;
const bringUp = 0x8914;
const dropFromBoundingSet = 24;
const makingSandboxes: Partial<typeof judgements> = {
  clone: [load(argument(0)), ...branch(JUMP_ANY_BIT, namespaces ^ usersAndProcesses, deny, allow)],
  ioctl: [load(argument(1)), ...oneOf([...requests, bringUp], allow)],
  prctl: [load(argument(0)), ...oneOf([...options, dropFromBoundingSet], allow)],
};
const mount: Record<Architecture, number> = { x64: 165, arm64: 40 };
const unshare: Record<Architecture, number> = { x64: 272, arm64: 97 };

/**
 * The seccomp filter of a sandbox as an array of `struct sock_filter`, ready for `bwrap --seccomp`.
 *
 * Another machine's calls (i386 on x86_64) and x32 kill the process; see seccomp(2), "architecture".
 */
export function seccompFilter(architecture: Architecture): Uint8Array {
  return filter(architecture, allowedCalls(architecture), judgements);
}

/** The same, for a process that makes sandboxes of its children: with what that takes of namespaces and mounts. */
export function sandboxMakerFilter(architecture: Architecture): Uint8Array {
  const calls = [...allowedCalls(architecture), mount[architecture], unshare[architecture]];
  return filter(architecture, calls, { ...judgements, ...makingSandboxes });
}

function filter(architecture: Architecture, calls: readonly number[], byArguments: typeof judgements): Uint8Array {
  const verdicts = new Map<number, Program>(calls.map((call) => [call, allow]));
  for (const [name, judgement] of Object.entries(byArguments)) {
    // What the architecture has not, -1, no call can be.
    verdicts.set(judged[name as keyof typeof judged][architecture], judgement);
  }
  const program: Program = [
    load(machine),
    ...branch(
      JUMP_EQUAL,
      auditMachine[architecture],
      [load(callNumber), ...branch(JUMP_AT_LEAST, x32, [answer(KILL_PROCESS)], search(ranges(verdicts)))],
      [answer(KILL_PROCESS)],
    ),
  ];
  return encode(program);
}

interface Range {
  readonly from: number;
  readonly program: Program;
}

/** Consecutive numbers with the same verdict, in order; the last range has no end. */
function ranges(verdicts: ReadonlyMap<number, Program>): Range[] {
  const found: Range[] = [];
  for (let call = 0; call <= highestKnown; call++) {
    const program = verdicts.get(call) ?? deny;
    if (found.at(-1)?.program !== program) found.push({ from: call, program });
  }
  found.push({ from: highestKnown + 1, program: [answer(ENOSYS)] });
  return found;
}

/** A binary search over the ranges. */
function search(sorted: readonly Range[]): Program {
  const [first] = sorted;
  if (first === undefined) return deny;
  if (sorted.length === 1) return first.program;
  const middle = sorted.length >> 1;
  const upper = sorted.slice(middle);
  return branch(JUMP_AT_LEAST, upper[0]?.from ?? 0, search(upper), search(sorted.slice(0, middle)));
}

function encode(program: Program): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach((instruction, index) => {
    view.setUint16(index * 8, instruction.code, true);
    view.setUint8(index * 8 + 2, instruction.yes);
    view.setUint8(index * 8 + 3, instruction.no);
    view.setUint32(index * 8 + 4, instruction.value, true);
  });
  return bytes;
}
