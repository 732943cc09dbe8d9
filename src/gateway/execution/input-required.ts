import type { Json, JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { appendMembers, dropMembers, findMember, type Member, readObject, splice } from '../../contract/splice.ts';
import type { Question } from './embedded-request.ts';
import { lookalikeOf } from './lookalikes.ts';

const MAX_KEY = 256;
const MAX_INPUTS = 20;

/** A result that wants input (MCP 2026-07-28, Multi Round-Trip Requests). */
export interface InputRequired {
  readonly raw: string;
  readonly requests: readonly InputRequest[];
  /** The server's own, as raw JSON. */
  readonly state: string | undefined;
}

export interface InputRequest {
  readonly key: string;
  readonly method: string;
  readonly params: string;
  /** Where the params lie in the result, or an object that has none ends. */
  readonly at: { readonly start: number; readonly end: number };
}

/**
 * Most results are none: these are told by one search, since the word has no other spelling without `\u`.
 * @param raw has passed `parseStrict`
 */
export function mayWantInput(raw: string): boolean {
  return raw.includes('input_required') || raw.includes('\\u');
}

/**
 * The result as one that wants input; undefined: it is another.
 * @param raw has passed `parseStrict`
 * @throws Refusal upstream
 */
export function readInputRequired(raw: string): InputRequired | undefined {
  if (!/^\s*\{/.test(raw)) return undefined;
  const { members } = readObject(raw);
  exact(members, ['resultType', 'inputRequests', 'requestState']);
  if (parsed(raw, findMember(members, 'resultType')) !== 'input_required') return undefined;
  const [inputs, state] = [findMember(members, 'inputRequests'), findMember(members, 'requestState')];
  if (inputs === undefined && state === undefined) throw malformed('neither requests nor state');
  if (inputs !== undefined && raw[inputs.start] !== '{') throw malformed('inputRequests are no object');
  if (state !== undefined && raw[state.start] !== '"') throw malformed('a requestState that is no text');
  const list = inputs === undefined ? [] : readObject(raw, inputs.start).members;
  if (list.length > MAX_INPUTS) throw malformed(`more than ${MAX_INPUTS} requests`);
  return {
    raw,
    requests: list.map((member) => readRequest(raw, member)),
    state: state && raw.slice(state.start, state.end),
  };
}

function readRequest(raw: string, { key, start }: Member): InputRequest {
  if (key.length > MAX_KEY) throw malformed('a key that is too long');
  if (raw[start] !== '{') throw malformed('a request that is no object');
  const request = readObject(raw, start);
  exact(request.members, ['method', 'params']);
  const method = parsed(raw, findMember(request.members, 'method'));
  if (typeof method !== 'string') throw malformed('a request without a method');
  const params = findMember(request.members, 'params');
  if (params === undefined) return { key, method, params: '{}', at: { start: request.close, end: request.close } };
  return { key, method, params: raw.slice(params.start, params.end), at: { start: params.start, end: params.end } };
}

/** The result as the client may see it: its requests sanitized, without the server's state; the rest byte for byte. */
export function sanitizedResult(wanted: InputRequired, questions: readonly Question[]): string {
  const edits = wanted.requests.flatMap(({ params, at }, index) => {
    const text = questions[index]?.params ?? params;
    return text === params ? [] : [{ ...at, text }];
  });
  return splice(wanted.raw, [
    ...edits,
    ...dropMembers(readObject(wanted.raw).members, (key) => key === 'requestState'),
  ]);
}

/** A result of ours that wants input, for what an older server asked in mid-call. */
export function inputRequired(questions: readonly (readonly [key: string, question: Question])[]): string {
  const requests = questions.map(
    ([key, { method, params }]) => `${JSON.stringify(key)}:{"method":"${method}","params":${params}}`,
  );
  return `{"resultType":"input_required","inputRequests":{${requests.join(',')}}}`;
}

/** The params with which a call is made again for a client that is asked in its session. */
export function withInput(params: string, responses: ReadonlyMap<string, string>, state: string | undefined): string {
  const answers = [...responses].map(([key, raw]) => `${JSON.stringify(key)}:${raw}`);
  const input = responses.size === 0 ? [] : [`"inputResponses":{${answers.join(',')}}`];
  const added = state === undefined ? input : [...input, `"requestState":${state}`];
  return splice(params, [appendMembers(readObject(params), added.join(','))]);
}

/** The params of a repeated call, with the server's own state where the client sent ours. */
export function withOwnState(params: string, state: string | undefined): string {
  const { members } = readObject(params);
  const member = findMember(members, 'requestState');
  if (member === undefined) return params;
  if (state === undefined)
    return splice(
      params,
      dropMembers(members, (key) => key === 'requestState'),
    );
  return splice(params, [{ start: member.start, end: member.end, text: state }]);
}

/** The raw results that a client gives, by key. */
export function rawResponses(params: string, inputResponses: JsonObject | undefined): ReadonlyMap<string, string> {
  const member = findMember(readObject(params).members, 'inputResponses');
  if (member === undefined || inputResponses === undefined) return new Map();
  return new Map(
    readObject(params, member.start).members.map(({ key, start, end }) => [key, params.slice(start, end)]),
  );
}

/** What was judged here must be what every client reads. @throws Refusal upstream */
function exact(members: readonly Member[], known: readonly string[]): void {
  const names = members.map(({ key }) => key);
  if (lookalikeOf(names, known) !== undefined) throw malformed('a member of the protocol in another spelling');
}

function parsed(raw: string, member: Member | undefined): Json | undefined {
  return member && JSON.parse(raw.slice(member.start, member.end));
}

function malformed(detail: string): Refusal {
  return new Refusal('upstream', `a result that wants input: ${detail}`);
}

/** The methods that a client may be asked to repeat with more input (MCP 2026-07-28, Multi Round-Trip Requests). */
export function isRepeatable(method: string): boolean {
  return method === 'tools/call' || method === 'prompts/get' || method === 'resources/read';
}
