# The way out, as a sandbox sees it: carries bytes between loopback addresses and the egress proxy's socket, and judges
# nothing. It starts the server that it is for as its own successor, and goes on behind it until the sandbox ends.
#
# perl -e THIS SOCKET [ADDRESS PORT CLAIM]... -- COMMAND...
#
# Needs perl-base and no module: those cost more time to load than the rest to run. Numbers are Linux's, alike on
# x86_64 and aarch64: AF_UNIX 1, AF_INET 2, SOCK_STREAM 1, SOL_SOCKET 1, SO_REUSEADDR 2, IPPROTO_TCP 6, TCP_NODELAY 1,
# F_SETFL 4, O_NONBLOCK 2048, EINTR 4, EAGAIN 11.
use strict;
use warnings;

my $most_pairs = 128;
my $most_bytes = 65536;

my $path = shift;
my @listeners;
while (@ARGV && $ARGV[0] ne '--') {
  my ($address, $port, $claim) = splice @ARGV, 0, 3;
  socket(my $listener, 2, 1, 0) or die "socket: $!\n";
  setsockopt($listener, 1, 2, pack('i', 1));
  bind($listener, pack('S n C4 x8', 2, $port, split(/\./, $address))) or die "bind $address:$port: $!\n";
  listen($listener, 128) or die "listen: $!\n";
  fcntl($listener, 4, 2048);
  push @listeners, [$listener, "$claim\n"];
}
shift;

# Twice, so that the server does not find a child that it has not made.
my $child = fork;
defined $child or die "fork: $!\n";
if ($child) {
  waitpid $child, 0;
  exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
}
my $grandchild = fork;
exit(defined $grandchild ? 0 : 1) if !defined $grandchild || $grandchild;
setpgrp(0, 0);
open(STDIN, '<', '/dev/null');
open(STDOUT, '>', '/dev/null');
open(STDERR, '>', '/dev/null');
$SIG{PIPE} = 'IGNORE';
$SIG{HUP} = 'IGNORE';

# A way carries bytes from one socket to another: [from, to, waiting bytes, from has ended, all is told, other way].
my %ways;
my $pairs = 0;

sub retry { return $! == 11 || $! == 4 }

sub begin {
  my ($listener, $claim) = @{$_[0]};
  accept(my $client, $listener) or return;
  socket(my $proxy, 1, 1, 0) or return;
  connect($proxy, pack('S a*', 1, $path)) or return;
  fcntl($_, 4, 2048) for $client, $proxy;
  setsockopt($client, 6, 1, pack('i', 1));
  my $out = [$client, $proxy, $claim, 0, 0];
  my $in = [$proxy, $client, '', 0, 0, $out];
  $out->[5] = $in;
  $ways{fileno $client} = $out;
  $ways{fileno $proxy} = $in;
  $pairs++;
}

sub finish {
  my ($way) = @_;
  delete $ways{fileno $_} for $way->[0], $way->[1];
  close $_ for $way->[0], $way->[1];
  $way->[5][5] = $way->[5] = undef;
  $pairs--;
}

for (;;) {
  my ($read, $write) = ('', '');
  if ($pairs < $most_pairs) { vec($read, fileno $_->[0], 1) = 1 for @listeners }
  for my $way (values %ways) {
    vec($read, fileno $way->[0], 1) = 1 if !$way->[3] && length $way->[2] < $most_bytes;
    vec($write, fileno $way->[1], 1) = 1 if length $way->[2];
  }
  next if select($read, $write, undef, undef) < 0;
  for my $way (values %{{%ways}}) {
    next unless $way->[5];
    my $broken = 0;
    if (vec($read, fileno $way->[0], 1)) {
      my $got = sysread $way->[0], $way->[2], $most_bytes, length $way->[2];
      if (defined $got) { $way->[3] = 1 if !$got }
      else { $broken = !retry() }
    }
    if (!$broken && length $way->[2]) {
      my $put = syswrite $way->[1], $way->[2];
      if (defined $put) { substr($way->[2], 0, $put) = '' }
      else { $broken = !retry() }
    }
    if (!$broken && $way->[3] && !length $way->[2] && !$way->[4]) {
      shutdown $way->[1], 1;
      $way->[4] = 1;
    }
    finish($way) if $broken || ($way->[4] && $way->[5][4]);
  }
  for my $listener (@listeners) {
    begin($listener) if vec($read, fileno $listener->[0], 1);
  }
}
