import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** A process of the host that has nothing to do with sandboxes but their user: what a hostile server would like to reach. */
export class Victim implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly abstract: string;
  readonly key: number;
  readonly #child: ChildProcess;
  readonly #servers: readonly Server[];

  private constructor(child: ChildProcess, servers: readonly Server[], abstract: string, key: number) {
    this.#child = child;
    this.#servers = servers;
    this.pid = child.pid ?? 0;
    const address = servers[0]?.address();
    this.port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    this.abstract = abstract;
    this.key = key;
  }

  /** @param uid whose it is to be, where that is ours to choose */
  static async start(uid: number): Promise<Victim> {
    const key = 0x696b0000 + ((process.pid + uid) % 0xffff);
    const script = `my $id = shmget(${key}, 4096, 01600) // die $!; $SIG{TERM} = sub { shmctl($id, 0, 0); exit 0 };
$| = 1; print "up\\n"; while (1) { open(my $f, '<', '/etc/passwd'); select(undef, undef, undef, 0.1) }`;
    const user = process.getuid?.() === 0 ? { uid, gid: uid } : {};
    const child = spawn('/usr/bin/perl', ['-e', script], { ...user, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const abstract = `ik-victim-${process.pid}-${uid}`;
    // On every address, so that each name of the loopback leads to it.
    const servers = [createServer().listen(0, '::'), createServer().listen(`\0${abstract}`)];
    await Promise.all(servers.map((server) => once(server, 'listening')));
    return new Victim(child, servers, abstract, key);
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    if (!this.alive) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
  }
}
