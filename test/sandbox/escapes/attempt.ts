/**
 * One thing that a hostile tool tries from inside. Its Perl says `got …` when it has what it must not have, and
 * `refused …` with the system's reason when not.
 */
export interface Attempt {
  /** What is tried; the test's title says that it is refused. */
  readonly tries: string;
  /** Perl, behind `prelude`. */
  readonly tool: string;
  /**
   * `host`: something of the host's or of another sandbox's, which no sandbox may get. `kernel`: something of the kernel's
   * that answers; a kernel of the sandbox's own may grant it, and then the witnesses tell whether the host felt it.
   */
  readonly of: 'host' | 'kernel';
  /** Whether the same tool gets it as the same user without a sandbox: what proves that it really tries. */
  readonly getsOutside?: true;
}

/** What the tools are told of the host; keys of `%t`. */
export interface Targets {
  /** A process of the host of the same user, with a secret in its memory, and the address of that. */
  readonly pid: number;
  /** Of the host's loopback, where something listens. */
  readonly port: number;
  /** Abstract unix sockets, of the host and of another sandbox. */
  readonly abstract: string;
  readonly sibling: string;
  /** A directory of the host, which is /data inside. */
  readonly data: string;
  /** A file that the other sandbox reads again and again. */
  readonly shared: string;
  /** A key of System V IPC that the host has used. */
  readonly key: number;
}

/** x86_64 and aarch64 (the kernel's unistd tables); 0: the machine has none. */
const calls: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  acct: [163, 89],
  add_key: [248, 217],
  bpf: [321, 280],
  chroot: [161, 51],
  clone: [56, 220],
  clone3: [435, 435],
  fanotify_init: [300, 262],
  fsopen: [430, 430],
  init_module: [175, 105],
  inotify_add_watch: [254, 27],
  inotify_init1: [294, 26],
  io_uring_enter: [426, 426],
  io_uring_setup: [425, 425],
  iopl: [172, 0],
  kcmp: [312, 272],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  mmap: [9, 222],
  modify_ldt: [154, 0],
  mknodat: [259, 33],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_pages: [279, 239],
  mq_open: [240, 180],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  perf_event_open: [298, 241],
  personality: [135, 92],
  pidfd_getfd: [438, 438],
  pidfd_open: [434, 434],
  pivot_root: [155, 41],
  prlimit64: [302, 261],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  quotactl: [179, 60],
  reboot: [169, 142],
  request_key: [249, 218],
  sched_setaffinity: [203, 122],
  sethostname: [170, 161],
  setns: [308, 268],
  setpriority: [141, 140],
  settimeofday: [164, 170],
  shmget: [29, 194],
  swapon: [167, 224],
  syslog: [103, 116],
  umount2: [166, 39],
  unshare: [272, 97],
  userfaultfd: [323, 282],
  vmsplice: [278, 75],
};

const column = process.arch === 'arm64' ? 1 : 0;
const numbers = Object.entries(calls).map(([name, both]) => `${name} => ${both[column]}`);

/** `call NAME, ARGS` judges by the call's result; `got` and `refused` end the tool. */
export const prelude = String.raw`
use strict; use warnings; use Socket; use Fcntl; use POSIX ();
$| = 1;
my %t = @ARGV;
# As numbers: syscall() takes what looks like text for a pointer.
for (values %t) { $_ += 0 if /^\d+$/ }
my %n = (${numbers.join(', ')});
sub got { print "got @_\n"; exit 0 }
sub refused { print "refused ", (@_ ? "@_" : "$!"), "\n"; exit 0 }
sub raw { my ($name, @args) = @_; $! = 0; $n{$name} ? syscall($n{$name}, @args) : do { $! = 38; -1 } }
sub call { my $result = raw(@_); $result == -1 ? refused() : got($result) }
sub opens { my ($family, $type, $protocol) = @_; socket(my $s, $family, $type, $protocol) ? got('a socket') : refused() }
sub reads { my ($path) = @_; open(my $f, '<', $path) or refused(); defined(sysread($f, my $b, 64)) or refused(); length $b ? got($b) : refused('empty') }
sub writes { my ($path) = @_; open(my $f, '>>', $path) or refused(); got('open for writing') }
sub lists { my ($path) = @_; opendir(my $d, $path) or refused(); my @all = grep { !/^\.\.?$/ } readdir $d; @all ? got(@all) : refused('empty') }
sub reaches { my ($family, $address) = @_; socket(my $s, $family, SOCK_STREAM, 0) or refused(); $SIG{ALRM} = sub { refused('no answer') }; alarm 2; connect($s, $address) ? got('connected') : refused() }
`;
