import { type ChildProcess, spawn } from 'node:child_process';

/** A zone that runs as a process of its own, started by zone 0 and ending with it. */
export interface Zone<To> {
  send(message: To): void;
  /** Resolves when the process is gone. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Asks the zone to end; after `graceMs` it is killed. */
  stop(graceMs: number): Promise<void>;
}

export interface ZoneCommand {
  readonly name: 'control' | 'gateway' | 'runtime';
  /** The entry file that knows how to be a zone. */
  readonly main: string;
  /**
   * Root's runtime lives in a mount namespace of its own, in which it can show the sandboxes' unprivileged user
   * files that lie in folders this user may not enter. Nothing of it is seen outside or outlives the process.
   */
  readonly ownMounts: boolean;
}

export function startZone<To extends object, From>(command: ZoneCommand, onMessage: (message: From) => void): Zone<To> {
  const node = [process.execPath, command.main, `zone-${command.name}`];
  const argv = command.ownMounts ? ['unshare', '--mount', '--propagation', 'private', '--', ...node] : node;
  // A core would have every credential that is lent at that moment.
  const child = spawn('/bin/sh', ['-c', 'ulimit -c 0 && exec "$@"', 'sh', ...argv], {
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'json',
    // What operators set for us (registries, proxies, credentials) is none of a zone's business, but of zone 0's.
    env: command.name === 'control' ? process.env : { PATH: process.env.PATH },
    // Ctrl-C reaches zone 0 alone, which ends the zones in order.
    detached: true,
  });
  child.on('message', (message) => onMessage(message as From));
  return {
    send: (message) => void (child.connected && child.send(message)),
    exited: exit(child),
    stop: stopper(child),
  };
}

function exit(child: ChildProcess): Zone<never>['exited'] {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
}

function stopper(child: ChildProcess): Zone<never>['stop'] {
  return async (graceMs) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    // A zone ends when its channel to zone 0 closes: the same way as when zone 0 is killed.
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  };
}
