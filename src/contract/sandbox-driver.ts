import type { Mount } from './bundle.ts';

/** At least one driver. */
export interface SandboxDriver {
  /** Starts a throw-away sandbox and reports what was really enforced in it. */
  probe(): Promise<SandboxProbe>;
  /** One sandbox for one invocation. Rejects when any part of the profile cannot be enforced. */
  start(profile: SandboxProfile): Promise<Sandbox>;
}

export interface SandboxProbe {
  readonly driver: string;
  readonly version: string;
  /** One row a control: what was tried in the probe sandbox, and whether it held. */
  readonly controls: readonly { readonly control: string; readonly held: boolean; readonly evidence: string }[];
  /** What the operator types to mend what did not hold. */
  readonly mend: string | undefined;
}

export interface SandboxProfile {
  readonly name: string;
  readonly command: readonly string[];
  /** Host path that becomes `/srv`, read-only, the working directory. */
  readonly root: string;
  readonly mounts: readonly Mount[];
  /** Bytes; the scratch tmpfs is half of it. */
  readonly memory: number;
  readonly pids: number;
  /** The only way out; absent: no network at all. */
  readonly wayOut?: WayOut;
}

/**
 * How a sandbox reaches its egress proxy. The driver puts the socket into the sandbox and starts a relay there that
 * carries bytes, and judges nothing: `proxyPort` on 127.0.0.1 (HTTP CONNECT and SOCKS5), and for clients that know of
 * no proxy each name as a loopback address of its own in /etc/hosts, on its ports. Each connection to the socket begins
 * with one line, `proxy` or the `NAME:PORT` that was connected to, which is a claim of the sandbox like all that follows.
 */
export interface WayOut {
  /** Host path of the unix socket on which the egress proxy serves this one sandbox. */
  readonly socket: string;
  readonly proxyPort: number;
  readonly names: readonly { readonly name: string; readonly ports: readonly number[] }[];
  /** PEM of an authority that this sandbox trusts beside the host's; absent: the host's alone. */
  readonly ca?: string;
}

export interface Sandbox {
  readonly id: string;
  /** Messages there and back until the way to the server runs at its pace; absent: the first does. */
  readonly runsIn?: number;
  /** Raw bytes to the server's standard input; false: wait for `drain`. */
  readonly stdin: { write(chunk: Uint8Array | string): boolean; end(): void };
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves when every process of the sandbox is gone. */
  readonly exited: Promise<SandboxExit>;
  /** The last few kilobytes of standard error, for the audit. */
  stderrTail(): string;
  /** Kills every process of the sandbox; resolves with `exited`. Safe to call twice. */
  kill(): Promise<SandboxExit>;
}

export interface SandboxExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The memory limit was hit. */
  readonly outOfMemory: boolean;
}
