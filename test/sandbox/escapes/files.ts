import type { Attempt } from './attempt.ts';

const of = 'host';
const outside = { getsOutside: true } as const;
const readable = ['/etc/hostname', '/etc/os-release'].map(
  (path): Attempt => ({ of, tries: `to read ${path}`, tool: `reads("${path}")`, ...outside }),
);
const closed = [
  '/etc/shadow',
  '/etc/ssh',
  '/root',
  '/home',
  '/var/lib',
  '/run/docker.sock',
  '/var/run/docker.sock',
].map((path): Attempt => ({ of, tries: `to see ${path}`, tool: `-e "${path}" ? got("it is there") : refused()` }));
const places = [
  '/',
  '/srv',
  '/usr',
  '/usr/bin',
  '/bin',
  '/lib',
  '/etc',
  '/opt',
  '/opt/node/bin',
  '/data',
  '/proc',
  '/proc/1',
];
const written = places.map(
  (path): Attempt => ({ of, tries: `to make a file in ${path}`, tool: `writes("${path}/owned")` }),
);
const changed = ['/etc/passwd', '/usr/bin/perl', '/opt/node/bin/node', '/srv/package.json', '/data/letter'].map(
  (path): Attempt => ({ of, tries: `to change ${path}`, tool: `writes("${path}")` }),
);
const settings = [
  'sys/kernel/core_pattern',
  'sys/kernel/modprobe',
  'sys/kernel/hostname',
  'sys/vm/drop_caches',
  'sys/fs/binfmt_misc/register',
  'sysrq-trigger',
  'self/oom_score_adj',
].map((path): Attempt => {
  // A process may always make itself likelier to be killed, not less.
  const tool = path.endsWith('adj')
    ? 'open(my $f, ">", "/proc/self/oom_score_adj") or refused(); syswrite($f, "-1000") ? got() : refused()'
    : `writes("/proc/${path}")`;
  return { of: path.endsWith('adj') ? 'kernel' : of, tries: `to set /proc/${path}`, tool };
});
const devices = ['mem', 'kmsg', 'kvm', 'vsock', 'loop-control', 'sda', 'vda', 'input'].map(
  (name): Attempt => ({ of, tries: `/dev/${name}`, tool: `-e "/dev/${name}" ? got("it is there") : refused()` }),
);

/** The host's files, devices and settings. */
export const files: readonly Attempt[] = [
  ...readable,
  ...closed,
  ...written,
  ...changed,
  ...settings,
  ...devices,
  { of, tries: 'to make a device of its own', tool: 'system("mknod /tmp/mem c 1 1 2>/dev/null"); reads("/tmp/mem")' },
  { of, tries: 'its own executable by /proc', tool: 'writes("/proc/self/exe")' },
  {
    of,
    tries: "another root by a process's",
    tool: '-e "/proc/1/root$t{data}" || -e "/proc/$t{pid}/root$t{data}" ? got() : refused()',
  },
  {
    of,
    tries: 'what lies above a mount',
    tool: 'chdir "/data" or refused(); chdir ".." for 1 .. 20; -e ".$t{data}" ? got() : refused()',
  },
  {
    of,
    tries: 'what a symbolic link in a mount leads to',
    tool: 'symlink("/etc/shadow", "/out/link"); -e "/out/link" ? got() : refused()',
  },
  {
    of,
    tries: 'a hard link out of a read-only mount',
    tool: 'link("/data/letter", "/out/letter") ? got() : refused()',
  },
  { of, tries: 'a hard link out of its files', tool: 'link("/srv/package.json", "/out/p") ? got() : refused()' },
  {
    of,
    tries: 'to move a file out of a read-only mount',
    tool: 'rename("/data/letter", "/out/l") ? got() : refused()',
  },
  {
    of,
    tries: 'control groups',
    tool: 'for (glob("/sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs")) { open(my $f, ">", $_) and got($_) } refused()',
  },
  {
    of,
    tries: 'descriptors that somebody left open',
    tool: 'for my $fd (3 .. 255) { my $to = readlink("/proc/self/fd/$fd") or next; got($to) if $to =~ m(^/) && $to !~ m(^/(proc|srv|tmp|dev/null)) } refused()',
  },
  {
    of,
    tries: 'to dump core into a mount',
    tool: 'system("cd /out; ulimit -c unlimited 2>/dev/null; perl -e \'kill 11, \\$\\$\'"); my @c = glob("/out/*core* /tmp/*core*"); @c ? got(@c) : refused("no core")',
  },
  {
    of,
    tries: 'to leave a program that sets its user in a mount',
    tool: 'open(my $f, ">", "/out/suid") or refused(); chmod(04755, "/out/suid"); -u "/out/suid" ? got() : refused()',
  },
  {
    of,
    tries: 'to make a node with that mode',
    tool: 'POSIX::mkfifo("/out/node", 06755); raw("mknodat", -100, "/out/file", 0106755, 0); -u "/out/node" || -g _ || -u "/out/file" || -g _ ? got() : refused()',
  },
  {
    of,
    tries: 'to be born with that mode',
    tool: 'sysopen(my $f, "/out/born", O_CREAT | O_WRONLY, 06755) or refused(); -u "/out/born" || -g _ ? got() : refused()',
  },
  {
    of,
    tries: 'to become root by a program that sets its user',
    tool: 'my @s = grep { -u } glob("/usr/bin/*"); refused("none") unless @s; my $u = `echo | timeout 2 su -c "id -u" 2>/dev/null`; $u =~ /^0/ ? got($u) : refused("stays $<")',
  },
];
