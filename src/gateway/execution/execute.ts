import { Refusal } from '../../contract/refusal.ts';
import type { RuntimeFailure } from '../../contract/runtime-link.ts';
import { type Admitted, Executed } from '../../contract/tool-call.ts';
import { upstreamError, upstreamFailure } from './refusals.ts';
import type { RuntimeLink } from './runtime-link.ts';

/** A remote server as the gateway speaks to it; rejects with `code` and `detail`. */
export interface Remote {
  call(call: {
    readonly method: string;
    readonly params: Uint8Array;
    readonly subject: string;
    readonly signal: AbortSignal;
    notify(raw: string): void;
  }): Promise<{ readonly kind: 'result' | 'error'; readonly raw: string }>;
}

interface Failure {
  readonly code: RuntimeFailure;
  readonly detail: string;
}

const encoder = new TextEncoder();

/**
 * The stage that has the call run: in zone 2, or by the remote server that the configuration names. What was authorised
 * goes there byte for byte.
 */
export function executeStage(deps: {
  readonly link: Pick<RuntimeLink, 'call'>;
  readonly remotes: ReadonlyMap<string, Remote>;
  readonly failureOf: (error: unknown) => Failure;
}): (call: Admitted) => Promise<Executed> {
  const { link, remotes, failureOf } = deps;

  async function ask(remote: Remote, call: Admitted): Promise<Uint8Array> {
    const { method } = call.target;
    const { signal } = call.arrived;
    if (signal.aborted) throw new Refusal('unavailable', 'the caller has gone');
    const params = encoder.encode(call.params.raw);
    const answer = await remote.call({ method, params, subject: call.subject.key, signal, notify }).catch((error) => {
      const { code, detail } = failureOf(error);
      throw signal.aborted ? new Refusal('unavailable', 'the caller has gone') : upstreamFailure(code, detail);
    });
    const raw = encoder.encode(answer.raw);
    if (answer.kind === 'error') throw upstreamError(method, raw);
    return raw;
  }

  return async (call) => {
    const { server, method } = call.target;
    const remote = remotes.get(server);
    const result =
      remote === undefined
        ? link.call({ server, method, subject: call.subject.key }, call.params.raw, call.arrived.signal)
        : ask(remote, call);
    return new Executed(call, await result, undefined);
  };
}

/** Progress: no stage sanitizes it yet, so it goes nowhere. */
function notify(): void {}
