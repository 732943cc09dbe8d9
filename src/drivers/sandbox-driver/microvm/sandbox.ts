import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { type Duplex, pipeline, type Readable, type Writable } from 'node:stream';
import type { Sandbox, SandboxExit } from '../../../contract/sandbox-driver.ts';
import { StderrTail } from '../host/stderr-tail.ts';
import { kinds, streams } from './frames.ts';
import type { VirtualMachine } from './virtual-machine.ts';
import { Wire } from './wire.ts';
import type { WireStream } from './wire-stream.ts';

const seedBytes = 64;
const nanoseconds = 1_000_000n;
const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** A server in a clone that was made unlike every other before anything of the server ran. */
export class MicrovmSandbox implements Sandbox {
  readonly id: string;
  /**
   * A clone's first passes touch pages that it has to copy; an emulated processor also translates what they run. From the
   * eighth on, node compiles what runs often, on the guest's one processor, and that is over after some thirty.
   */
  readonly runsIn = 32;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<SandboxExit>;
  readonly #virtual: VirtualMachine;
  readonly #wire: Wire;
  readonly #stdout: WireStream;
  readonly #stderr: StderrTail;
  readonly #drained: Promise<unknown>;
  #started: { resolve(): void; reject(error: Error): void } | undefined;
  #exit: SandboxExit | undefined;

  /** @param wayOut what is accepted inside is connected to this unix socket; undefined: nothing is */
  constructor(id: string, virtual: VirtualMachine, wayOut: string | undefined) {
    this.id = id;
    this.#virtual = virtual;
    this.#wire = new Wire(virtual.port, {
      answer: (kind, payload) => this.#answer(kind, payload),
      connection: (stream, line) => {
        if (wayOut === undefined) stream.destroy();
        else relay(stream, line, wayOut);
      },
    });
    this.stdin = this.#wire.stream(streams.stdin, { readable: false });
    this.#stdout = this.#wire.stream(streams.stdout, { writable: false });
    this.stdout = this.#stdout;
    const stderr = this.#wire.stream(streams.stderr, { writable: false });
    this.#stderr = new StderrTail(stderr);
    this.#drained = Promise.all([this.#stdout.ended, stderr.ended]);
    this.exited = this.#watch();
  }

  /** Gives the clone randomness and the time, then starts the server. @throws with the agent's reason */
  begin(filter: Uint8Array, lines: readonly string[]): Promise<void> {
    const seed = Buffer.allocUnsafe(8 + seedBytes);
    seed.writeBigUInt64LE(BigInt(Date.now()) * nanoseconds, 0);
    randomBytes(seedBytes).copy(seed, 8);
    this.#wire.order(kinds.reseed, seed);
    this.#wire.order(kinds.filter, filter);
    this.#wire.order(kinds.start, Buffer.from(`${lines.join('\0')}\0`));
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
    });
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  async kill(): Promise<SandboxExit> {
    void this.#virtual.kill();
    return this.exited;
  }

  #answer(kind: number, payload: Buffer): void {
    if (kind === kinds.started) {
      this.#started?.resolve();
    } else if (kind === kinds.exited && payload.length === 12 && this.#exit === undefined) {
      this.#exit = exitOf(payload);
      // Of the server's processes none is left; what they wrote is still on its way.
      this.#stdout.drain();
      void this.#drained.then(() => this.#virtual.kill());
    } else {
      const said = kind === kinds.failed ? payload.toString('utf8') : `the guest said ${kind}`;
      this.#started?.reject(new Error(said));
      void this.#virtual.kill();
    }
  }

  async #watch(): Promise<SandboxExit> {
    const ended = await this.#virtual.exited;
    this.#started?.reject(new Error(this.#virtual.complaints().trim() || 'the guest has ended'));
    await this.#stderr.finish();
    return this.#exit ?? { ...ended, code: null, signal: 'SIGKILL' };
  }
}

/** The agent's report: status or -1, signal or 0, whether the limit was hit. */
function exitOf(report: Buffer): SandboxExit {
  const signal = report.readInt32LE(4);
  return {
    code: signal === 0 ? report.readInt32LE(0) : null,
    signal: signal === 0 ? null : (signalNames.get(signal) ?? String(signal)),
    outOfMemory: report.readInt32LE(8) !== 0,
  };
}

/** Carries bytes and judges nothing; what the sandbox claims to have connected to goes first. */
function relay(stream: Duplex, line: Buffer, path: string): void {
  const socket = connect({ path, allowHalfOpen: true });
  socket.write(line);
  // Either way, and both are given up when one breaks.
  pipeline(stream, socket, stream, () => {});
}
