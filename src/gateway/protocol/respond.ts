import type { Answer } from '../../contract/answer.ts';
import type { EdgeSettings } from '../../contract/bundle.ts';
import { type Refusal, type RefusalCode, refusalRow } from '../../contract/refusal.ts';
import { AUTHORIZE_INPUT, STEP_UP_INPUT } from '../../contract/step-up.ts';
import type { Arrived, Frame } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { challenge, signIn } from './challenge.ts';
import { FramingRefusal } from './frame.ts';

const HEADERS = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

const MISDIRECTED = '{"jsonrpc":"2.0","id":null,"error":{"code":1421,"message":"Misdirected request"}}';

/** The answer to a request that went well; `result` is raw JSON and is not looked at. */
export function resultAnswer(frame: Frame, result: string): Answer {
  return { status: 200, headers: HEADERS, body: envelope(frame.id, `"result":${result}`) };
}

/** The answer that an earlier request of the same subject would have had. */
export function relayedAnswer(frame: Frame, { kind, raw }: RpcAnswer): Answer {
  return { status: 200, headers: HEADERS, body: envelope(frame.id, `"${kind}":${raw}`) };
}

/** The answer to what has no answer: notifications and clients' responses. */
export function acceptedAnswer(): Answer {
  return { status: 202, headers: { 'cache-control': 'no-store' }, body: '' };
}

/** The answer to a DELETE, and to a GET that had no stream to give or whose stream is over. */
export function endedAnswer(): Answer {
  return { status: 204, headers: { 'cache-control': 'no-store' }, body: '' };
}

/** The answers to a batch's requests; notifications have none (MCP 2025-03-26 transports). */
export function batchAnswer(answers: readonly Answer[]): Answer {
  const bodies = answers.flatMap(({ body }) => (body === '' ? [] : [body]));
  return bodies.length === 0 ? acceptedAnswer() : { status: 200, headers: HEADERS, body: `[${bodies.join(',')}]` };
}

/**
 * The one place where a refusal becomes bytes: the table's status, code and text, a reason and the incident id;
 * `detail` stays here. Unauthenticated requests get constant bytes, whatever their cause.
 * @param frame absent where the message was not read, or could not be
 */
export function refusalAnswer(refusal: Refusal, call: Arrived, edge: EdgeSettings, frame?: Frame): Answer {
  if (refusal.code === 'unauthenticated') return unauthenticated(call, edge);
  const row = refusalRow(refusal.code);
  const modern = frame?.modern ?? false;
  const mark = { ...(row.reason === undefined ? {} : { reason: row.reason }), incident: call.incident };
  const id = frame === undefined && refusal instanceof FramingRefusal ? refusal.id : frame?.id;
  const status = (modern ? row.httpModern : undefined) ?? row.http;

  if (refusal.code === 'validation' && frame !== undefined && frame.method === 'tools/call' && hasToolErrors(frame)) {
    return resultAnswer(frame, toolError(row.text, mark, modern));
  }
  const visit = visits[refusal.code];
  if (visit !== undefined && frame?.modern) return resultAnswer(frame, wantsVisit(visit, refusal, mark));
  const error = {
    code: (modern ? row.rpcModern : undefined) ?? row.rpc,
    message: row.text,
    data: { ...dataOf(refusal), ...mark },
  };
  const body = envelope(id, `"error":${JSON.stringify(error)}`);
  return { status, headers: { ...HEADERS, ...extraHeaders(refusal, status), ...challenge(refusal, call, edge) }, body };
}

/** From 2025-11-25 on a model is told of its own bad input by the tool's result (SEP-1303), so that it can mend it. */
function hasToolErrors(frame: Frame): boolean {
  return frame.modern || frame.revision === '2025-11-25';
}

function toolError(text: string, mark: Readonly<Record<string, string>>, modern: boolean): string {
  return JSON.stringify({
    ...(modern ? { resultType: 'complete' } : {}),
    content: [{ type: 'text', text }],
    isError: true,
    _meta: { 'innerkeep/refusal': mark },
  });
}

/** A person has to go to an address of ours before the call can happen. */
interface Visit {
  readonly input: string;
  readonly message: string;
}

const visits: Partial<Record<RefusalCode, Visit>> = {
  'step-up-url': {
    input: STEP_UP_INPUT,
    message: 'This call waits until you confirm it with your passkey. Open the address to see all of it.',
  },
  'authorize-url': {
    input: AUTHORIZE_INPUT,
    message: 'This tool is somebody else’s, who wants to know for whom it is called. Open the address to see for what.',
  },
};

/** MCP 2025-11-25, `URLElicitationRequiredError`; everybody else gets the members that the refusal has. */
function dataOf({ code, data }: Refusal): Readonly<Record<string, unknown>> | undefined {
  const visit = visits[code];
  return visit === undefined ? data : { elicitations: [elicitation(visit, data)] };
}

function elicitation({ message }: Visit, data: Refusal['data']) {
  return { mode: 'url', elicitationId: data?.id, url: data?.url, message };
}

/** MCP 2026-07-28, Multi Round-Trip Requests: the client comes back with the same call when the person has been there. */
function wantsVisit(visit: Visit, { data }: Refusal, mark: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    resultType: 'input_required',
    inputRequests: { [visit.input]: { method: 'elicitation/create', params: elicitation(visit, data) } },
    _meta: { 'innerkeep/refusal': mark },
  });
}

/** RFC 9110 §15.5.20; or, where the operator chose it, RFC 6750 §3 with the pointer of RFC 9728 §5.1. */
function unauthenticated(call: Arrived, edge: EdgeSettings): Answer {
  if (edge.unauthenticated === 421) return { status: 421, headers: HEADERS, body: MISDIRECTED };
  const headers = { ...HEADERS, 'www-authenticate': signIn(call, edge) };
  return { status: 401, headers, body: MISDIRECTED.replace('Misdirected request', 'Unauthorized') };
}

function extraHeaders(refusal: Refusal, status: number): Readonly<Record<string, string>> {
  if (status === 429) return { 'retry-after': refusal.challenge ?? '1' };
  if (refusal.code === 'http-method') return { allow: 'POST, GET, DELETE' };
  // RFC 9470 §3, as 403: another token, for which clients would sign in anew on a 401, is not what helps.
  if (refusal.code === 'step-up')
    return { 'www-authenticate': 'Bearer error="insufficient_user_authentication", acr_values="mfa"' };
  if (refusal.code === 'body-size' || refusal.code === 'body-timeout') return { connection: 'close' };
  return {};
}

function envelope(id: string | undefined, rest: string): string {
  return `{"jsonrpc":"2.0","id":${id ?? 'null'},${rest}}`;
}
