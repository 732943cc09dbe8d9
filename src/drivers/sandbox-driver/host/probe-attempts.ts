/** What the hostile script tries to reach outside of its sandbox. */
export interface Targets {
  /** Whose kernel answers the sandbox's system calls: the host's, or one of the sandbox's own. */
  readonly kernel: 'shared' | 'own';
  /** The host kernel's release, as uname(2) has it. */
  readonly release: string;
  /** A TCP port on the host's 127.0.0.1 and an abstract unix socket that really listen. */
  readonly port: number;
  readonly abstract: string;
  /** A process of the host. */
  readonly pid: number;
  readonly scratch: number;
}

export interface Attempt {
  readonly control: string;
  readonly held: boolean;
  readonly evidence: string;
}

/**
 * Runs inside of a sandbox, as its source text: so it names nothing from outside of itself. Each row is an attempt that
 * was really made; a control held when every way failed.
 */
export async function attempts(targets: Targets): Promise<Attempt[]> {
  const fs = process.getBuiltinModule('node:fs');
  const net = process.getBuiltinModule('node:net');
  const os = process.getBuiltinModule('node:os');
  const { spawn, spawnSync } = process.getBuiltinModule('node:child_process');
  const outcome = (tried: () => unknown): string => {
    try {
      const value = tried();
      return `SUCCEEDED${value === undefined ? '' : `: ${value}`}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
  };
  const rows: Attempt[] = [];
  const row = (control: string, ways: Readonly<Record<string, string>>): void => {
    const evidence = Object.entries(ways).map(([way, result]) => `${way}: ${result}`);
    rows.push({
      control,
      held: !Object.values(ways).some((result) => result.startsWith('SUCCEEDED')),
      evidence: evidence.join(', '),
    });
  };
  const write = (path: string): string => outcome(() => fs.writeFileSync(path, ''));
  const read = (path: string): string => outcome(() => `${fs.readFileSync(path).length} bytes`);
  const list = (path: string): string => outcome(() => fs.readdirSync(path).join(' '));
  const connect = (options: { host: string; port: number } | { path: string }): Promise<string> =>
    new Promise((resolve) => {
      const socket = net.connect({ ...options, timeout: 2000 });
      socket.once('connect', () => resolve('SUCCEEDED'));
      socket.once('timeout', () => resolve('no answer'));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  const run = (command: string, ...args: string[]): string => {
    const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 2000 });
    if (error !== undefined) return (error as NodeJS.ErrnoException).code ?? error.message;
    return status === 0 ? 'SUCCEEDED' : stderr.trim().split('\n').at(-1)?.slice(0, 120) || `status ${status}`;
  };

  row('read-only root', {
    '/': write('/probe'),
    '/srv': write('/srv/probe'),
    '/usr': write('/usr/probe'),
    // A kernel of its own keeps its devices in its own memory.
    ...(targets.kernel === 'shared' && { '/dev': write('/dev/probe') }),
    '/etc': write('/etc/probe'),
    '/proc/1': write('/proc/1/probe'),
  });
  row('network', {
    'host loopback': await connect({ host: '127.0.0.1', port: targets.port }),
    'abstract socket': await connect({ path: `\0${targets.abstract}` }),
    'public address': await connect({ host: '192.0.2.1', port: 443 }),
    'metadata address': await connect({ host: '169.254.169.254', port: 80 }),
  });
  row('host files', {
    '/etc/shadow': read('/etc/shadow'),
    '/root': list('/root'),
    '/home': list('/home'),
    '/var': list('/var'),
    '/run': list('/run'),
  });
  const processes = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
  row('host processes', {
    signal: outcome(() => process.kill(targets.pid, 0)),
    'seen in /proc': processes > 5 ? `SUCCEEDED: ${processes}` : `own ${processes} only`,
  });
  const variables = Object.keys(process.env).filter(
    (name) => !['PATH', 'HOME', 'PWD', 'OLDPWD', '_', 'SHLVL'].includes(name),
  );
  row('environment', { variables: variables.length > 0 ? `SUCCEEDED: ${variables}` : 'none of the host' });
  const status = Object.fromEntries(
    fs
      .readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .map((line) => line.split(/:\s*/)),
  ) as Record<string, string | undefined>;
  const none = (name: string): string => (/^0+$/.test(status[name] ?? '') ? 'none' : `SUCCEEDED: ${status[name]}`);
  row('capabilities', {
    effective: none('CapEff'),
    permitted: none('CapPrm'),
    // On a kernel of its own a user namespace may have a full one, which nobody in it can make use of.
    ...(targets.kernel === 'shared' && { bounding: none('CapBnd') }),
  });
  row('unprivileged user', {
    uid: process.getuid?.() === 65534 ? '65534' : `SUCCEEDED: ${process.getuid?.()}`,
    'become root': outcome(() => process.setuid?.(0)),
    'supplementary groups': (status['Groups'] ?? '').trim() === '' ? 'none' : `SUCCEEDED: ${status['Groups']}`,
  });
  const core = outcome(() => fs.closeSync(fs.openSync('/proc/sys/kernel/core_pattern', 'r+')));
  if (targets.kernel === 'own') {
    // What a call does to a kernel that is the sandbox's alone ends with it.
    const release = os.release();
    row('kernel of its own', {
      release: release === targets.release ? `SUCCEEDED: the host's ${release}` : release,
      core_pattern: core,
    });
  } else {
    row('no new privileges', { no_new_privs: status['NoNewPrivs'] === '1' ? 'set' : 'SUCCEEDED: not set' });
    row('namespaces', {
      'new user namespace': run('/usr/bin/unshare', '--user', '/bin/true'),
      mount: run('/bin/mount', '-t', 'tmpfs', 'x', '/tmp'),
    });
    row('kernel settings', {
      core_pattern: core,
      'kernel command line': outcome(() => {
        if (fs.readFileSync('/proc/cmdline', 'utf8') === '') throw new Error('masked');
      }),
      '/sys': list('/sys'),
      '/proc/1/environ': read('/proc/1/environ'),
    });
    const calls =
      process.arch === 'x64'
        ? { ptrace: 101, keyctl: 250, bpf: 321, io_uring: 425 }
        : { ptrace: 117, keyctl: 219, bpf: 280, io_uring: 425 };
    const socket = process.arch === 'x64' ? 41 : 198;
    const perl = fs.existsSync('/usr/bin/perl');
    const call = (...args: number[]): string =>
      run('/usr/bin/perl', '-e', `exit 0 if syscall(${args.join(',')}) >= 0; print STDERR $!; exit 1`);
    row('system calls', {
      filter: status['Seccomp'] === '2' ? 'in force' : 'SUCCEEDED: none',
      "process 1's memory": outcome(() => fs.closeSync(fs.openSync('/proc/1/mem', 'r+'))),
      ...(perl
        ? {
            ptrace: call(calls.ptrace, 0, 0, 0, 0),
            keyctl: call(calls.keyctl, 0, -3, 0),
            bpf: call(calls.bpf, 0, 0, 0),
            io_uring: call(calls.io_uring, 1, 0),
            'vsock socket': call(socket, 40, 1, 0),
            'packet socket': call(socket, 17, 3, 0),
          }
        : {}),
    });
  }
  const { blocks, bsize } = fs.statfsSync('/tmp');
  row('scratch', {
    size: blocks * bsize <= targets.scratch ? `${blocks * bsize} bytes` : `SUCCEEDED: ${blocks * bsize} bytes`,
  });
  const children = Array.from({ length: 64 }, () => spawn('/bin/sleep', ['10'], { stdio: 'ignore' }));
  for (const child of children) child.on('error', () => {});
  const refused = children.filter(({ pid }) => pid === undefined).length;
  row('number of processes', { 'start 64 of 32': refused === 0 ? 'SUCCEEDED' : `${refused} refused` });
  return rows;
}
