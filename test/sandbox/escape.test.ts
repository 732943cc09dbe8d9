import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { absent, Hosted, ServerFiles } from './support/hosted.ts';

/** Runs in the sandbox: tries each system call and prints `name error`; error 0: it succeeded. */
const perl = String.raw`
use strict; use Socket; use POSIX ();
sub tried { my ($name, $result) = @_; my $error = $! + 0; print "$name ", ($result ? 0 : $error || 'failed'), "\n"; }
sub call { my ($name, $number, @args) = @_; $! = 0; tried($name, syscall($number, @args) != -1); }
sub opens { my ($name, $family, $type, $protocol) = @_; $! = 0; tried($name, socket(my $socket, $family, $type, $protocol)); }
$! = 0; opens('socket-unix', 1, 1, 0); opens('socket-inet', 2, 1, 0); opens('socket-inet6', 10, 2, 0); opens('socket-netlink-route', 16, 3, 0);
opens('socket-netlink-audit', 16, 3, 9); opens('socket-vsock', 40, 1, 0); opens('socket-packet', 17, 3, 0);
opens('socket-alg', 38, 5, 0); opens('socket-raw', 2, 3, 1); opens('socket-raw6', 10, 3, 58); opens('socket-ping', 2, 2, 1);
opens('socket-mptcp', 2, 1, 262); opens('socket-bluetooth', 31, 3, 0); opens('socket-kcm', 41, 2, 0); opens('socket-xdp', 44, 3, 0);
call('ptrace-traceme', 101, 0, 0, 0, 0); call('ptrace-attach', 101, 16, 1, 0, 0);
call('process_vm_readv', 310, 1, 0, 0, 0, 0, 0); call('process_vm_writev', 311, 1, 0, 0, 0, 0, 0);
call('mount', 165, 'x', '/tmp', 'tmpfs', 0, 0); call('umount2', 166, '/tmp', 2); call('pivot_root', 155, '/tmp', '/tmp');
call('chroot', 161, '/tmp'); call('open_tree', 428, -100, '/tmp', 1); call('fsopen', 430, 'tmpfs', 0); call('mount_setattr', 442, -100, '/', 0, 0, 0);
call('unshare-user', 272, 0x10000000); call('unshare-net', 272, 0x40000000); call('setns', 308, 0, 0);
call('clone-newuser', 56, 0x10000011, 0, 0, 0, 0); call('clone-newns', 56, 0x20011, 0, 0, 0, 0); call('clone3', 435, 0, 0);
call('keyctl', 250, 0, -3, 0); call('add_key', 248, 'user', 'a', 'b', 1, -3); call('request_key', 249, 'user', 'a', 0, 0);
call('bpf', 321, 0, 0, 0); call('io_uring_setup', 425, 8, 0); call('io_uring_enter', 426, 0, 0, 0, 0); call('perf_event_open', 298, 0, 0, 0, 0, 0);
call('userfaultfd', 323, 0); call('kexec_load', 246, 0, 0, 0, 0); call('init_module', 175, 0, 0, ''); call('reboot', 169, 0, 0, 0);
call('open_by_handle_at', 304, -100, 0, 0); call('name_to_handle_at', 303, -100, '/', 0, 0, 0); call('pidfd_getfd', 438, 0, 0, 0);
call('personality', 135, 0x40000); call('quotactl', 179, 0, 0, 0, 0); call('swapon', 167, '/tmp', 0); call('settimeofday', 164, 0, 0);
call('syslog', 103, 2, 0, 0); call('fanotify_init', 300, 0, 0); call('move_pages', 279, 0, 0, 0, 0, 0, 0); call('modify_ldt', 154, 0, 0, 0);
call('kcmp', 312, 1, 1, 0, 0, 0); call('vmsplice', 278, 0, 0, 0, 0); call('memfd_secret', 447, 0); call('newer-than-the-list', 9999);
call('prctl-pdeathsig', 157, 1, 0, 0, 0, 0);
my $byte = 'x'; $! = 0; tried('tiocsti', ioctl(STDIN, 0x5412, $byte)); $! = 0; tried('tioclinux', ioctl(STDIN, 0x541c, $byte));
for my $path ('/proc/1/mem', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/dev/mem', '/dev/kmsg', '/dev/vsock', '/dev/fuse', '/dev/ptmx') {
  $! = 0; tried("open-$path", open(my $file, '+<', $path));
}
`;

const EPERM = '1';
const ENOSYS = '38';

suite('a hostile server in bubblewrap', { skip: absent('bubblewrap') }, () => {
  let hosted: Hosted;
  let files: ServerFiles;
  before(() => {
    hosted = new Hosted();
    files = new ServerFiles({
      'calls.pl': perl,
      'network.mjs': network,
      'processes.mjs': processes,
    });
  });
  after(async () => {
    files[Symbol.dispose]();
    await hosted[Symbol.asyncDispose]();
  });

  test('gets none of the system calls that lead out, and none of the socket families (seccomp(2))', {
    skip: process.arch !== 'x64',
  }, async () => {
    verifies('sandbox.profile');
    const { stdout, stderr } = await hosted.run(files.profile(['perl', 'calls.pl']));
    const results = new Map(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
    assert.ok(results.size > 60, `${stdout}${stderr}`);
    const legitimate = ['socket-unix', 'socket-inet', 'socket-inet6', 'socket-netlink-route'];
    for (const name of legitimate) assert.equal(results.get(name), '0', name);
    for (const [name, error] of results) {
      if (legitimate.includes(name)) continue;
      if (name.startsWith('open-')) assert.notEqual(error, '0', name);
      else assert.equal(error, ['clone3', 'newer-than-the-list'].includes(name) ? ENOSYS : EPERM, name);
    }
  });

  test('dies when it makes a call of another architecture (i386, x32)', {
    skip: process.arch !== 'x64' || absent('python3'),
  }, async () => {
    verifies('sandbox.profile');
    const x32 = await hosted.run(files.profile(['perl', '-e', 'syscall(0x40000000 + 39); print "alive"']));
    assert.deepEqual([x32.stdout, x32.exit.signal], ['', 'SIGSYS']);
    // mov eax, 20 (getpid of i386); int 0x80; ret
    const machineCode = `import ctypes, mmap
m = mmap.mmap(-1, 4096, prot=7); m.write(b"\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3")
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))(); print("alive")`;
    const i386 = await hosted.run(files.profile(['python3', '-c', machineCode]));
    assert.deepEqual([i386.stdout, i386.exit.signal], ['', 'SIGSYS']);
  });

  test('reaches nothing that listens on the host: TCP, UDP, abstract sockets, any address', async () => {
    verifies('sandbox.isolation');
    const name = `ik-${process.pid}`;
    const tcp = createServer().listen(0, '127.0.0.1');
    const abstract = createServer().listen(`\0${name}`);
    await Promise.all([once(tcp, 'listening'), once(abstract, 'listening')]);
    try {
      const address = tcp.address();
      const port = typeof address === 'object' ? address?.port : 0;
      const { stdout, stderr } = await hosted.run(files.profile(['node', 'network.mjs', String(port), name]));
      assert.equal(stderr, '');
      const { connections, datagrams, interfaces } = JSON.parse(stdout) as Record<string, unknown>;
      assert.deepEqual(connections, Array(5).fill('refused'));
      assert.deepEqual(datagrams, ['ENETUNREACH', 'ENETUNREACH']);
      assert.deepEqual(interfaces, ['lo']);
    } finally {
      tcp.close();
      abstract.close();
    }
  });

  test("sees and signals no process but its own, and nothing of the host's files, variables or descriptors", async () => {
    verifies('sandbox.isolation', 'sandbox.scratch');
    const seen = JSON.parse(
      (await hosted.run(files.profile(['node', 'processes.mjs', String(process.pid)]))).stdout,
    ) as {
      signals: string[];
      root: string[];
      etc: string[];
      dev: string[];
      variables: string[];
      descriptors: string[];
      cmdlines: string;
      status: Record<string, string>;
      groups: string;
      limits: string;
      masked: string[];
    };
    assert.deepEqual([...new Set(seen.signals)], ['ESRCH']);
    assert.deepEqual(
      seen.root,
      ['bin', 'dev', 'etc', 'lib', 'lib64', 'opt', 'proc', 'sbin', 'srv', 'tmp', 'usr'].filter((name) =>
        seen.root.includes(name),
      ),
    );
    assert.equal(seen.root.length >= 10, true);
    assert.deepEqual(seen.etc, ['hosts', 'passwd']);
    assert.deepEqual(seen.dev, ['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero']);
    assert.deepEqual(
      seen.variables.filter((name) => name !== 'PWD' && name !== 'OLDPWD'),
      ['HOME', 'PATH'],
    );
    assert.ok(!seen.cmdlines.includes('host.ts'));
    assert.ok(
      !seen.descriptors.some((target) => target.startsWith('/') && !target.startsWith('/proc')),
      seen.descriptors.join(),
    );
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.match(seen.status[set] ?? '', /^0+$/, set);
    assert.deepEqual(
      [seen.status['NoNewPrivs'], seen.status['Seccomp'], seen.status['Uid']?.split('\t')],
      ['1', '2', Array(4).fill('65534')],
    );
    assert.match(seen.limits, /Max core file size +0 +0/);
    assert.match(seen.limits, /Max open files +4096 +4096/);
    assert.deepEqual([...new Set(seen.masked)], ['']);
  });

  test('writes nowhere but in its scratch space', async () => {
    verifies('sandbox.profile', 'sandbox.scratch');
    const script =
      'for d in / /srv /usr /usr/bin /etc /dev /proc /proc/1 /proc/sys/kernel /opt /opt/node/bin /bin /lib; do (: > $d/x) 2>/dev/null && echo "wrote $d"; done; : > /tmp/x && : > /dev/shm/y && ls /tmp';
    const { stdout } = await hosted.run(files.profile(['sh', '-c', script]));
    assert.equal(stdout, 'x\ny\n');
  });

  test("leaves the host's core pattern alone", () => {
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8').includes('innerkeep'), false);
  });

  test('is shown by the probe to be held by every control', async () => {
    verifies('sandbox.profile', 'sandbox.isolation', 'sandbox.scratch');
    const probe = await hosted.probe();
    assert.deepEqual(
      probe.controls.filter(({ held }) => !held),
      [],
    );
    assert.ok(probe.controls.length >= 12);
    assert.equal(probe.mend, undefined);
    assert.match(probe.version, /^\d+\.\d+/);
  });
});

const network = `
import { connect } from 'node:net';
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
const [port, name] = process.argv.slice(2);
const tried = (options) => new Promise((resolve) => {
  const socket = connect(options);
  socket.once('connect', () => resolve('connected')).once('error', () => resolve('refused'));
});
const connections = await Promise.all([
  tried({ host: '127.0.0.1', port }), tried({ host: '::1', port }), tried({ path: '\\0' + name }),
  tried({ host: '192.0.2.1', port: 80 }), tried({ host: '169.254.169.254', port: 80 }),
]);
const sent = (host) => new Promise((resolve) => createSocket('udp4').send('x', 53, host, (error) => resolve(error?.code ?? 'sent')));
const datagrams = await Promise.all([sent('192.0.2.1'), sent('8.8.8.8')]);
console.log(JSON.stringify({ connections, datagrams, interfaces: Object.keys(networkInterfaces()) }));
process.exit(0);
`;

const processes = `
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
const host = Number(process.argv[2]);
const signals = [host, host + 1, 4194303].map((pid) => { try { process.kill(pid, 0); return 'reached'; } catch (error) { return error.code; } });
const read = (file) => { try { return readFileSync(file, 'utf8'); } catch { return ''; } };
const link = (file) => { try { return readlinkSync(file); } catch { return ''; } };
const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
console.log(JSON.stringify({
  signals, root: readdirSync('/').sort(), etc: readdirSync('/etc').sort(), dev: readdirSync('/dev').sort(),
  variables: Object.keys(process.env).sort(),
  descriptors: readdirSync('/proc/self/fd').map((fd) => link('/proc/self/fd/' + fd)),
  cmdlines: pids.map((pid) => read('/proc/' + pid + '/cmdline')).join(' '),
  status: Object.fromEntries(read('/proc/self/status').trim().split('\\n').map((line) => line.split(/:\\s*/))),
  limits: read('/proc/self/limits'),
  masked: ['cmdline', 'kallsyms', 'keys', 'config.gz', '1/environ', '1/cmdline'].map((name) => read('/proc/' + name)),
}));
`;
