import type { Attempt } from './attempt.ts';

const of = 'host';
const outside = { getsOutside: true } as const;

/** The host's processes and sockets, and other sandboxes. */
export const processes: readonly Attempt[] = [
  { of, tries: 'to signal a process of the host', tool: 'kill(0, $t{pid}) ? got() : refused()', ...outside },
  { of, tries: 'to trace a process of the host', tool: 'call("ptrace", 0x4206, $t{pid}, 0, 0)' },
  { of, tries: 'the memory of a process of the host', tool: 'writes("/proc/$t{pid}/mem")' },
  { of, tries: 'the variables of a process of the host', tool: 'reads("/proc/$t{pid}/environ")', ...outside },
  { of, tries: 'the command line of a process of the host', tool: 'reads("/proc/$t{pid}/cmdline")', ...outside },
  {
    of,
    tries: 'to read into a process of the host',
    tool: 'my $b = " " x 8; my $l = pack("PQ", $b, 8); call("process_vm_readv", $t{pid}, $l, 1, $l, 1, 0)',
  },
  {
    of,
    tries: 'to write into a process of the host',
    tool: 'my $b = " " x 8; my $l = pack("PQ", $b, 8); call("process_vm_writev", $t{pid}, $l, 1, $l, 1, 0)',
  },
  {
    of,
    tries: 'a descriptor of a process of the host',
    tool: 'my $p = raw("pidfd_open", $t{pid}, 0); refused() if $p < 0; call("pidfd_getfd", $p, 0, 0)',
  },
  { of, tries: 'to slow a process of the host down', tool: 'call("setpriority", 0, $t{pid}, 19)', ...outside },
  { of, tries: 'to limit a process of the host', tool: 'call("prlimit64", $t{pid}, 7, 0, " " x 16)', ...outside },
  {
    of,
    tries: 'to move a process of the host',
    tool: 'call("sched_setaffinity", $t{pid}, 8, pack("Q", 3))',
    ...outside,
  },
  {
    of,
    tries: "the driver's processes",
    tool: 'for (glob("/proc/*/cmdline")) { open(my $f, "<", $_) or next; my $c = <$f> // ""; got($c) if $c =~ /bwrap|runsc|qemu|host[.]ts/ } refused()',
  },
  { of: 'kernel', tries: "the first process's memory", tool: 'writes("/proc/1/mem")' },
  {
    of,
    tries: "the host's loopback",
    tool: 'reaches(AF_INET, pack_sockaddr_in($t{port}, inet_aton("127.0.0.1")))',
    ...outside,
  },
  {
    of,
    tries: "the host's loopback by another name",
    tool: 'reaches(AF_INET, pack_sockaddr_in($t{port}, inet_aton("127.9.9.9")))',
    ...outside,
  },
  {
    of,
    tries: "the host's loopback over IPv6",
    tool: 'reaches(AF_INET6, pack_sockaddr_in6($t{port}, "\\0" x 15 . "\\1"))',
  },
  { of, tries: 'a metadata service', tool: 'reaches(AF_INET, pack_sockaddr_in(80, inet_aton("169.254.169.254")))' },
  {
    of,
    tries: 'a datagram to a public address',
    tool: 'socket(my $s, AF_INET, SOCK_DGRAM, 0) or refused(); send($s, "x", 0, pack_sockaddr_in(53, inet_aton("192.0.2.1"))) ? got() : refused()',
  },
  {
    of,
    tries: 'an abstract socket of the host',
    tool: 'reaches(AF_UNIX, pack_sockaddr_un("\\0$t{abstract}"))',
    ...outside,
  },
  { of, tries: 'an abstract socket of another sandbox', tool: 'reaches(AF_UNIX, pack_sockaddr_un("\\0$t{sibling}"))' },
  { of, tries: "the host's shared memory", tool: 'call("shmget", $t{key}, 4096, 0600)', ...outside },
  {
    of,
    tries: 'what another sandbox has in its scratch space',
    tool: 'my @f = (glob("/tmp/secret*"), glob("/dev/shm/secret*")); @f ? got(@f) : refused("nothing there")',
  },
  {
    of,
    tries: 'to see when another sandbox opens a shared file (inotify)',
    tool: `my $i = raw("inotify_init1", 04000); refused() if $i < 0;
raw("inotify_add_watch", $i, $t{shared}, 0x20) >= 0 or refused();
open(my $events, "<&=", $i); select(undef, undef, undef, 1); sysread($events, my $event, 4096) ? got("events") : refused()`,
    ...outside,
  },
  {
    of: 'kernel',
    tries: 'to be signalled when another sandbox reads a shared file (F_NOTIFY)',
    tool: `my ($folder) = $t{shared} =~ m{^(.*)/}; sysopen(my $f, $folder, O_RDONLY) or refused();
$SIG{IO} = "IGNORE"; fcntl($f, 1026, 0x80000001) ? got("signals") : refused()`,
    ...outside,
  },
  {
    of: 'kernel',
    tries: 'to keep whoever opens a file of its user waiting (F_SETLEASE)',
    tool: `my $path = "/tmp/lease$$"; open(my $w, ">", $path) or refused(); close($w); open(my $f, "<", $path) or refused(); unlink($path);
fcntl($f, 1024, 1) ? got("a lease") : refused()`,
    ...outside,
  },
  {
    of,
    tries: 'to kill everything that it can',
    tool: '$SIG{TERM} = "IGNORE"; kill("TERM", -1); refused("only its own")',
  },
];
