import type { SandboxedServer } from '../../contract/bundle.ts';
import type { SandboxDriver } from '../../contract/sandbox-driver.ts';
import { type Era, type Handshake, shakeHands } from '../upstream/handshake.ts';
import { StdioSession } from '../upstream/stdio.ts';
import { asFailure, UpstreamFailure } from '../upstream/upstream.ts';

/** Processes and threads of one sandbox: node itself has a dozen. */
const PIDS = 64;

/** A sandbox that has done its handshake and has not seen a call. */
export interface Ready {
  readonly session: StdioSession;
  readonly handshake: Handshake;
}

export interface StartObserver {
  opened(session: StdioSession): void;
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
): Promise<Ready | UpstreamFailure> {
  let session: StdioSession | undefined;
  let late = false;
  const open = async (): Promise<Ready | UpstreamFailure> => {
    try {
      const { name, command, root, mounts, memory } = server;
      const sandbox = await driver.start({ name, command, root, mounts, memory, pids: PIDS });
      session = new StdioSession(sandbox, server.maxResult);
      void sandbox.exited.then(() => observer.gone(session));
    } catch (error) {
      observer.gone();
      return new UpstreamFailure('isolation', `the sandbox did not start: ${asFailure(error).detail}`);
    }
    observer.opened(session);
    if (late) session.fail(new UpstreamFailure('isolation', 'started too late'));
    try {
      return { session, handshake: await shakeHands(session, era) };
    } catch (error) {
      const failure = asFailure(error);
      session.fail(failure);
      return failure;
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const bounded = new Promise<UpstreamFailure>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      const failure = new UpstreamFailure('isolation', `no handshake within ${bound} ms`);
      session?.fail(failure);
      resolve(failure);
    }, bound);
  });
  try {
    return await Promise.race([open(), bounded]);
  } finally {
    clearTimeout(timer);
  }
}
