import type { SandboxedServer } from '../../contract/bundle.ts';
import type { SandboxDriver } from '../../contract/sandbox-driver.ts';
import type { OpenWayOut } from '../egress/egress.ts';
import type { EgressProxy } from '../egress/proxy.ts';
import { type Era, type Handshake, probeWithPatience, shakeHands } from '../upstream/handshake.ts';
import { StdioSession } from '../upstream/stdio.ts';
import { asFailure, UpstreamFailure } from '../upstream/upstream.ts';

/** Processes and threads of one sandbox: node itself has a dozen. */
const PIDS = 64;
/** Milliseconds for an answer to `server/discover`. */
const PATIENCE = 2000;

/** A sandbox that has done its handshake and has not seen a call. */
export interface Ready {
  readonly session: StdioSession;
  readonly handshake: Handshake;
  /** The only way out of it, where the server has one. */
  readonly proxy: EgressProxy | undefined;
}

export interface StartFailure {
  readonly failure: UpstreamFailure;
  /** What it told of the server's era: an older server need not survive the question for it. */
  readonly era: Era | undefined;
}

export interface StartObserver {
  opened(session: StdioSession): void;
  /** The server has started. */
  greeted(): void;
  /** The sandbox, if there was one, is gone; called exactly once, maybe after the outcome. */
  gone(session?: StdioSession): void;
}

/**
 * Starts one sandbox and shakes hands with the server in it, within `bound` milliseconds.
 * Never rejects: what went wrong is returned, and the sandbox is then being killed.
 */
export async function startSandbox(
  server: SandboxedServer,
  driver: SandboxDriver,
  era: Era | undefined,
  bound: number,
  observer: StartObserver,
  openWayOut?: OpenWayOut,
): Promise<Ready | StartFailure> {
  let session: StdioSession | undefined;
  let proxy: EgressProxy | undefined;
  let late = false;
  const open = async (): Promise<Ready | StartFailure> => {
    try {
      const { name, command, root, mounts, memory } = server;
      proxy = await openWayOut?.();
      const wayOut = proxy && { wayOut: proxy.wayOut };
      const sandbox = await driver.start({ name, command, root, mounts, memory, pids: PIDS, ...wayOut });
      session = new StdioSession(sandbox, server.maxResult);
      void sandbox.exited.then(() => {
        proxy?.close();
        observer.gone(session);
      });
    } catch (error) {
      proxy?.close();
      observer.gone();
      const failure = new UpstreamFailure('isolation', `the sandbox did not start: ${asFailure(error).detail}`);
      return { failure, era: undefined };
    }
    observer.opened(session);
    if (late) session.fail(new UpstreamFailure('isolation', 'started too late'));
    try {
      const handshake = await (era === undefined ? probeWithPatience(session, PATIENCE) : shakeHands(session, era));
      if (typeof handshake === 'string') {
        const failure = new UpstreamFailure('isolation', 'its first words were about the era only');
        session.fail(failure);
        return { failure, era: handshake };
      }
      observer.greeted();
      if (handshake.era === 'legacy') await session.settle();
      session.stale.clear();
      return { session, handshake, proxy };
    } catch (error) {
      const failure = asFailure(error);
      session.fail(failure);
      return { failure, era: era === undefined ? 'legacy' : undefined };
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const bounded = new Promise<StartFailure>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      const failure = new UpstreamFailure('isolation', `no handshake within ${bound} ms`);
      session?.fail(failure);
      resolve({ failure, era: undefined });
    }, bound);
  });
  try {
    return await Promise.race([open(), bounded]);
  } finally {
    clearTimeout(timer);
  }
}
