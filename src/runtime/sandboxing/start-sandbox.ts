import type { SandboxedServer } from '../../contract/bundle.ts';
import type { SandboxDriver } from '../../contract/sandbox-driver.ts';
import { type Era, type Handshake, probe, shakeHands } from '../upstream/handshake.ts';
import { StdioSession } from '../upstream/stdio.ts';
import { asFailure, UpstreamFailure } from '../upstream/upstream.ts';

/** Processes and threads of one sandbox: node itself has a dozen. */
const PIDS = 64;

/** A sandbox that has done its handshake and has not seen a call. */
export interface Ready {
  readonly session: StdioSession;
  readonly handshake: Handshake;
}

export interface StartFailure {
  readonly failure: UpstreamFailure;
  /** The server may not have survived the question for its era: an older one need not know it. */
  readonly probing: boolean;
}

export interface StartObserver {
  opened(session: StdioSession): void;
  /** The sandbox, if there was one, is gone; called exactly once, maybe after the outcome. */
  gone(session?: StdioSession): void;
}

/**
 * Starts one sandbox and shakes hands with the server in it, within `bound` milliseconds; where the server's era is not
 * known, half of them must do. Never rejects: what went wrong is returned, and the sandbox is then being killed.
 */
export async function startSandbox(
  server: SandboxedServer,
  driver: SandboxDriver,
  era: Era | undefined,
  bound: number,
  observer: StartObserver,
): Promise<Ready | StartFailure> {
  let session: StdioSession | undefined;
  let late = false;
  const open = async (): Promise<Ready | StartFailure> => {
    try {
      const { name, command, root, mounts, memory } = server;
      const sandbox = await driver.start({ name, command, root, mounts, memory, pids: PIDS });
      session = new StdioSession(sandbox, server.maxResult);
      void sandbox.exited.then(() => observer.gone(session));
    } catch (error) {
      observer.gone();
      const failure = new UpstreamFailure('isolation', `the sandbox did not start: ${asFailure(error).detail}`);
      return { failure, probing: false };
    }
    observer.opened(session);
    if (late) session.fail(new UpstreamFailure('isolation', 'started too late'));
    try {
      const handshake = await (era === undefined ? probe(session) : shakeHands(session, era));
      if (handshake.era === 'legacy') await session.settle();
      return { session, handshake };
    } catch (error) {
      const failure = asFailure(error);
      session.fail(failure);
      return { failure, probing: era === undefined };
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const unanswered = () => session?.fail(new UpstreamFailure('isolation', `no handshake within ${bound / 2} ms`));
  const impatience = era === undefined ? setTimeout(unanswered, bound / 2) : undefined;
  const bounded = new Promise<StartFailure>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      const failure = new UpstreamFailure('isolation', `no handshake within ${bound} ms`);
      session?.fail(failure);
      resolve({ failure, probing: false });
    }, bound);
  });
  try {
    return await Promise.race([open(), bounded]);
  } finally {
    clearTimeout(impatience);
    clearTimeout(timer);
  }
}
