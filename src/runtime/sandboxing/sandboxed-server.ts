import type { SandboxedServer } from '../../contract/bundle.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import { describeServer } from '../upstream/describe.ts';
import {
  asFailure,
  cancelled,
  type RpcAnswer,
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
} from '../upstream/upstream.ts';
import type { SandboxPool } from './pool.ts';
import type { Ready } from './start-sandbox.ts';

/** Milliseconds for all lists of one server. */
const DESCRIBE_DEADLINE = 30_000;

/** A stdio server of which every call sees a fresh instance. */
export function sandboxedUpstream(server: SandboxedServer, pool: SandboxPool): Upstream {
  return {
    call: (call: UpstreamCall): Promise<RpcAnswer> =>
      inFreshSandbox(server.name, pool, server.deadline, call.signal, ({ session, handshake }) =>
        session.request(call.method, call.params, handshake.era, {
          capabilities: call.capabilities,
          logLevel: call.logLevel,
          notify: (message) => call.notify(message),
          ask: (request) => call.ask(request),
        }),
      ),
    listen: async () => {
      throw new UpstreamFailure('upstream', `${server.name} cannot be listened to`);
    },
    describe: (signal): Promise<LiveDescriptors> =>
      inFreshSandbox(server.name, pool, DESCRIBE_DEADLINE, signal, ({ session, handshake }) =>
        describeServer(session, handshake),
      ),
    close: async () => {},
  };
}

async function inFreshSandbox<T>(
  name: string,
  pool: SandboxPool,
  deadline: number,
  signal: AbortSignal,
  use: (ready: Ready) => Promise<T>,
): Promise<T> {
  const ready = await pool.acquire(name, signal);
  const { session } = ready;
  const abort = () => session.fail(cancelled());
  const timer = setTimeout(
    () => session.fail(new UpstreamFailure('isolation', `no answer within ${deadline} ms`)),
    deadline,
  );
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    return await use(ready);
  } catch (error) {
    throw asFailure(error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    session.fail(new UpstreamFailure('isolation', 'used once'));
  }
}
