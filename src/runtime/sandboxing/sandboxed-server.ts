import type { SandboxedServer } from '../../contract/bundle.ts';
import { isObject } from '../../contract/json.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import type { ServerRequest } from '../../contract/upstream.ts';
import { Constancy, type Conversation } from '../upstream/constancy.ts';
import { Deadline } from '../upstream/deadline.ts';
import { describeServer } from '../upstream/describe.ts';
import { listenTo } from '../upstream/listening.ts';
import { isFault, Stopwatch } from '../upstream/served.ts';
import { paramsFor, throughTask } from '../upstream/server-task.ts';
import {
  asFailure,
  cancelled,
  type RpcAnswer,
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamListening,
} from '../upstream/upstream.ts';
import type { HoldKind } from './holds.ts';
import type { KeptSandboxes } from './kept-sandboxes.ts';
import type { SandboxPool } from './pool.ts';
import type { Ready } from './start-sandbox.ts';

/** Milliseconds for all lists of one server. */
const DESCRIBE_DEADLINE = 30_000;

/**
 * A stdio server of which every call sees a fresh instance, or one that is its subject's and session's own.
 * @param now milliseconds since the epoch
 */
export function sandboxedUpstream(
  server: SandboxedServer,
  pool: SandboxPool,
  kept: KeptSandboxes,
  now: () => number,
): Upstream {
  const { name, keep, deadline } = server;
  const { signal: never } = new AbortController();
  const constancy = new Constancy(now);
  // What a waiting sandbox costs, no call waits for.
  pool.watch(name, (ready) => constancy.begin(ready.session, conversationIn(ready)));
  let reviews = 0;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const since = performance.now();
    return work.finally(() => pool.used(name, performance.now() - since));
  };
  return {
    ...(server.profile !== undefined && { profile: server.profile }),
    call: (call): Promise<RpcAnswer> => {
      const { review = 0 } = call.reviewed ?? {};
      // What was begun before a person let it be called again may still be what it had turned into.
      if (review > reviews) pool.renew(name);
      reviews = Math.max(reviews, review);
      if (keep === undefined) {
        // To end the sandbox ends the call.
        const terms = {
          deadline,
          constancy,
          isKept: false,
          signal: never,
          hold: () => pool.hold(name, call.subject, 'asking'),
        };
        return inFreshSandbox(name, pool, call.signal, (ready) => timed(callIn(ready, call, terms, now)), call.party);
      }
      // Its room is taken already, and other calls are in it.
      const terms = { deadline, constancy, isKept: true, signal: call.signal, hold: () => () => {} };
      return kept.use(server, keep.idle, call, (ready) => {
        call.kept?.(ready.session.sandbox.id);
        return callIn(ready, call, terms, now);
      });
    },
    listen: (listening): Promise<void> => listen(server, pool, listening),
    describe: (signal): Promise<LiveDescriptors> =>
      inFreshSandbox(server.name, pool, signal, async ({ session, handshake }) => {
        const deadline = new Deadline(DESCRIBE_DEADLINE, now, (failure) => session.fail(failure));
        try {
          return await describeServer(session, handshake);
        } finally {
          deadline.clear();
        }
      }),
    close: async () => {},
  };
}

interface Terms {
  /** Milliseconds; then the sandbox is killed. */
  readonly deadline: number;
  readonly constancy: Constancy;
  /** Its calls follow one another in one sandbox. */
  readonly isKept: boolean;
  /** Takes the call back, and leaves the sandbox as it is. */
  readonly signal: AbortSignal;
  /** Room to wait for the client's answers; what gives it back, or undefined where there is none. */
  hold(): (() => void) | undefined;
}

async function callIn(
  ready: Ready,
  call: UpstreamCall,
  { deadline: bound, constancy, isKept, signal, hold }: Terms,
  now: () => number,
): Promise<RpcAnswer> {
  const { session, handshake, proxy } = ready;
  let isCalled = false;
  const deadline = new Deadline(bound, now, ({ code, detail }) =>
    session.fail(new UpstreamFailure(code, isCalled ? detail : `its lists: ${detail}`)),
  );
  let release: (() => void) | undefined;
  let watch = new Stopwatch();
  const onAsking = (open: boolean) => {
    watch.pause(open);
    if (open) release = hold();
    else release?.();
    if (open && release === undefined) session.fail(noRoom('asking'));
    else deadline.pause(open);
  };
  proxy?.attribute((attempt) => call.attempted?.(attempt));
  proxy?.lend(call.loan);
  // One that was taken as soon as it had started has the server's last look in common with others.
  const life = isKept || constancy.hasBegun(session) ? session : constancy;
  try {
    const { era, capabilities } = handshake;
    const { method, logLevel } = call;
    const conversation = conversationIn(ready);
    await constancy.before(call, life, conversation);
    // Up to 2025-11-25 the level is the connection's, and so one call's or one session's alone.
    if (era === 'legacy' && logLevel !== undefined && isObject(capabilities.logging))
      await session.request('logging/setLevel', Buffer.from(JSON.stringify({ level: logLevel })), era);
    const caller = {
      capabilities: call.capabilities,
      logLevel,
      notify: (message: string) => call.notify(message),
      ask: (request: ServerRequest) => call.ask(request),
      onAsking,
      signal,
    };
    watch = new Stopwatch();
    isCalled = true;
    const first = await session.request(method, paramsFor(call, era), era, caller);
    call.served?.({ ms: watch.ms, fault: isFault(first) });
    // A task of the server's lives in its sandbox, and dies with it.
    const answer = await throughTask(first, call, () => ({
      era,
      send: (about, taskParams) => session.request(about, taskParams, era, caller),
      lost: session.ended.then((failure) => Promise.reject(failure)),
      asking: onAsking,
      // Where the sandbox goes on without this call, its task must not.
      withdraw: (taskParams) => void session.request('tasks/cancel', taskParams, era).catch(() => {}),
    }));
    await constancy.after(call, life, conversation);
    return answer;
  } catch (error) {
    const { isTelling, isFault: fault } = asFailure(error);
    if (isTelling) call.served?.({ ms: watch.ms, fault });
    throw error;
  } finally {
    deadline.clear();
    release?.();
    proxy?.lend(undefined);
    proxy?.attribute(undefined);
  }
}

function conversationIn({ session, handshake }: Ready): Conversation {
  return { request: session.request.bind(session), handshake, stale: session.stale };
}

async function listen(server: SandboxedServer, pool: SandboxPool, listening: UpstreamListening): Promise<void> {
  const { subject, signal } = listening;
  const release = pool.hold(server.name, subject, 'listening');
  if (release === undefined) throw noRoom('listening');
  try {
    await inFreshSandbox(server.name, pool, signal, ({ session, handshake }) =>
      listenTo(session, handshake, listening, server.deadline),
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    release();
  }
}

function noRoom(kind: HoldKind): UpstreamFailure {
  return new UpstreamFailure('overload', `no room for one more sandbox that is ${kind}`);
}

async function inFreshSandbox<T>(
  name: string,
  pool: SandboxPool,
  signal: AbortSignal,
  use: (ready: Ready) => Promise<T>,
  party?: string,
): Promise<T> {
  const ready = await pool.acquire(name, signal, party);
  const { session } = ready;
  const abort = () => session.fail(cancelled());
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    return await use(ready);
  } catch (error) {
    throw asFailure(error);
  } finally {
    signal.removeEventListener('abort', abort);
    session.fail(new UpstreamFailure('isolation', 'used once'));
  }
}
