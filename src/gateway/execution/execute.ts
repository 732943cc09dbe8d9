import type { Caller } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import { isObject, type Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RuntimeFailure } from '../../contract/runtime-link.ts';
import type { Soon } from '../../contract/soon.ts';
import { MalformedJson, parseText } from '../../contract/strict-json.ts';
import { type Admitted, Executed } from '../../contract/tool-call.ts';
import type { RpcAnswer, Served, UpstreamCall } from '../../contract/upstream.ts';
import { mayBeAsked } from './capabilities.ts';
import type { Embedding } from './embedded-request.ts';
import { Exchange } from './exchange.ts';
import { HeldCall } from './held-call.ts';
import type { HeldCalls } from './held-calls.ts';
import {
  inputRequired,
  isRepeatable,
  mayWantInput,
  rawResponses,
  readInputRequired,
  withOwnState,
} from './input-required.ts';
import { type Before, type Lending, withCredentials } from './lending.ts';
import type { MidCall } from './mid-call.ts';
import { upstreamError, upstreamFailure } from './refusals.ts';
import { judgeResponses, relayed, roundsInSession } from './rounds.ts';
import type { RuntimeLink } from './runtime-link.ts';
import type { StateSeal } from './sealed-state.ts';

/** A remote server as the gateway speaks to it; its answers are texts that nobody has judged. Rejects with `code` and `detail`. */
export interface Remote {
  call(call: UpstreamCall): Promise<RpcAnswer>;
}

interface RemoteFailure {
  readonly code: RuntimeFailure;
  readonly detail: string;
  /** The server did not take what the call was authorized by; nothing of it was executed. */
  readonly isUnauthorized: boolean;
  /** The scopes that it says are missing (RFC 6750 §3.1); nothing was executed either. */
  readonly lacking?: string | undefined;
}

/** Milliseconds after which a call that is not answered becomes a task, where the client knows tasks. */
const PATIENCE = 5000;

export interface ExecutionDeps {
  readonly clock: Clock;
  readonly link: Pick<RuntimeLink, 'call'>;
  readonly remotes: ReadonlyMap<string, Remote>;
  readonly failureOf: (error: unknown) => RemoteFailure;
  readonly embedding: Embedding;
  readonly lending: Lending;
  /** What the server made of the call, and answered. */
  readonly served: (call: Admitted, served: Served, answer: RpcAnswer | undefined) => void;
  /** Whether the call would be permitted now: policy may have changed since it was. */
  readonly stillMay: (call: Admitted) => Soon<boolean>;
  /** These two outlive bundles: what was begun under one goes on under the next. */
  readonly seal: StateSeal;
  readonly held: HeldCalls;
}

/**
 * The stage that has the call run: in zone 2, or by the remote server that the configuration names. What was authorised
 * goes there byte for byte. What the server says and asks in mid-call is judged here, on its way to the client.
 */
export function executeStage(deps: ExecutionDeps): (call: Admitted, caller: Caller) => Promise<Executed> {
  return (call, caller) => {
    const { requestState, inputResponses } = call.target.params;
    const isFirst = requestState === undefined && inputResponses === undefined;
    return isFirst ? run(deps, call, caller, call.params.raw) : resume(deps, call, caller);
  };
}

/** @param params raw JSON, as the server will read it */
async function run(deps: ExecutionDeps, call: Admitted, caller: Caller, params: string): Promise<Executed> {
  if (call.frame.modern && (mayBeAsked(caller.capabilities) || caller.defer !== undefined)) {
    const held = new HeldCall(deps.embedding, call, caller, params);
    held.begin(dispatch(deps, call, held));
    return turn(deps, call, caller, held);
  }
  const exchange = new Exchange(deps.embedding, call, caller, params, caller.signal, undefined);
  return conclude(deps, call, caller, await dispatch(deps, call, exchange), exchange);
}

/** An answer that everybody behind here reads alike, wherever the server runs. */
async function dispatch(deps: ExecutionDeps, call: Admitted, exchange: Exchange): Promise<RpcAnswer> {
  let answer: RpcAnswer | undefined;
  try {
    answer = await ask(deps, call, exchange);
  } finally {
    if (exchange.made !== undefined) deps.served(call, exchange.made, answer);
  }
  try {
    parseText(answer.raw);
    return answer;
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw new Refusal('upstream', `${call.target.server}: answer refused: ${error.message}`);
  }
}

async function ask(deps: ExecutionDeps, call: Admitted, exchange: Exchange): Promise<RpcAnswer> {
  const { link, lending, remotes, failureOf } = deps;
  const { server } = call.target;
  const remote = remotes.get(server);
  if (remote === undefined) return withCredentials(lending, call, exchange, () => link.call(server, exchange));
  const { signal } = exchange;
  if (signal.aborted) throw new Refusal('unavailable', 'the caller has gone');
  let version: number | undefined;
  const once = (before: Before) =>
    withCredentials(lending, call, exchange, () => askRemote(remote, exchange, (lent) => (version = lent)), before);
  try {
    return await once({}).catch((error: unknown) => {
      if (error instanceof Refusal || version === undefined) throw error;
      const { isUnauthorized, lacking } = failureOf(error);
      if (lacking !== undefined) return once({ lacking });
      if (isUnauthorized) return once({ refused: version });
      throw error;
    });
  } catch (error) {
    if (signal.aborted) throw new Refusal('unavailable', 'the caller has gone');
    if (error instanceof Refusal) throw error;
    const { code, detail } = failureOf(error);
    throw upstreamFailure(code, detail);
  }
}

async function askRemote(
  remote: Remote,
  exchange: Exchange,
  lent: (version: number | undefined) => void,
): Promise<RpcAnswer> {
  lent(exchange.loan?.leases[0]?.version);
  const answer = await remote.call(exchange);
  if (exchange.hasLent(answer.raw))
    throw new Refusal('upstream', 'the answer has the token in it that the call was lent');
  return answer;
}

/** One request of a client and what it is answered with, of a call that may be held over several. */
async function turn(deps: ExecutionDeps, call: Admitted, caller: Caller, held: HeldCall): Promise<Executed> {
  const next = await withPatience(deps.clock, caller, () => held.next());
  if (next.kind !== 'asked') return conclude(deps, call, caller, next, held);
  if (caller.ask !== undefined) {
    held.midCall.attach(deps.embedding, call, caller);
    held.putOpen();
    return turn(deps, call, caller, held);
  }
  const id = deps.held.put(held);
  return executed(
    call,
    inputRequired(next.questions),
    deps.seal.seal(call, { kind: 'held', id, home: deps.held.home }),
  );
}

/** What takes long goes on behind its answer, where the client can take that. No answer is on its way meanwhile. */
async function withPatience<T>(clock: Clock, caller: Caller, work: () => Promise<T>): Promise<T> {
  const stop = caller.defer && clock.setTimer(() => caller.defer?.(), PATIENCE);
  try {
    return await work();
  } finally {
    stop?.();
  }
}

async function conclude(
  deps: ExecutionDeps,
  call: Admitted,
  caller: Caller,
  answer: RpcAnswer,
  exchange: Exchange,
): Promise<Executed> {
  if (exchange.happened !== undefined) await afterwards(call, answer, exchange.happened);
  if (answer.kind === 'error') throw errorOf(call, answer.raw);
  const wanted = mayWantInput(answer.raw) ? readInputRequired(answer.raw) : undefined;
  if (wanted === undefined) return executed(call, answer.raw, undefined);
  if (!isRepeatable(call.target.method)) throw new Refusal('upstream', 'wants input where none can be given');
  if (call.frame.modern && caller.ask === undefined) {
    const { result, continuation } = await relayed(wanted, caller, exchange.midCall);
    return executed(call, result, deps.seal.seal(call, continuation));
  }
  const again = async (params: string): Promise<RpcAnswer> => {
    const { midCall } = exchange;
    if (!(await deps.stillMay(call))) throw new Refusal('policy', 'withdrawn while the client was asked');
    return dispatch(deps, call, new Exchange(deps.embedding, call, caller, params, caller.signal, midCall));
  };
  exchange.midCall.attach(deps.embedding, call, caller);
  const last = await roundsInSession(wanted, call, caller, exchange.midCall, again);
  await afterwards(call, last, exchange.midCall);
  if (last.kind === 'error') throw errorOf(call, last.raw);
  return executed(call, last.raw, undefined);
}

/** A failure for want of a capability says so (MCP 2026-07-28), also where an older server could not. */
async function afterwards(call: Admitted, { kind, raw }: RpcAnswer, midCall: MidCall): Promise<void> {
  const [fault, { missing }] = [await midCall.fault(), midCall];
  if (fault !== undefined) throw fault;
  if (missing === undefined || !call.frame.modern) return;
  const value: Json = JSON.parse(raw);
  if (kind === 'error' || (isObject(value) && value.isError === true))
    throw new Refusal('missing-capability', 'the server failed without it', { requiredCapabilities: missing });
}

/** A client comes back with answers: to what the server asked, or out of itself. */
async function resume(deps: ExecutionDeps, call: Admitted, caller: Caller): Promise<Executed> {
  const { requestState, inputResponses } = call.target.params;
  if (!call.frame.modern || !isRepeatable(call.target.method))
    throw new Refusal('params', 'input for a request that has none');
  if (inputResponses !== undefined && !isObject(inputResponses)) throw new Refusal('params', 'inputResponses');
  if (requestState === undefined) return run(deps, call, caller, call.params.raw);
  if (typeof requestState !== 'string') throw new Refusal('params', 'a requestState that is no text');
  const next = deps.seal.open(call, requestState);
  const responses = rawResponses(call.params.raw, inputResponses);
  if (next.kind === 'relayed') {
    await judgeResponses(deps.embedding, call, next.asked, responses);
    return run(deps, call, caller, withOwnState(call.params.raw, next.state));
  }
  const held = deps.held.take(next.id);
  if (held === undefined) throw new Refusal('request-state', 'no call is held by that state, or no more');
  held.resume(deps.embedding, call, caller);
  held.answer(responses);
  return turn(deps, call, caller, held);
}

function errorOf({ target, frame }: Admitted, raw: string): Refusal {
  return upstreamError(target.method, raw, frame.modern, frame.params?.uri);
}

function executed(call: Admitted, result: string, continuation: string | undefined): Executed {
  return new Executed(call, result, continuation);
}
