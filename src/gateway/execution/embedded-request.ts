import type { CallerSession } from '../../contract/caller.ts';
import type { EgressAttempt } from '../../contract/egress.ts';
import { isObject, type JsonObject } from '../../contract/json.ts';
import type { Verdict } from '../../contract/policy-engine.ts';
import type { RefusalCode } from '../../contract/refusal.ts';
import type { Said } from '../../contract/said.ts';
import type { Soon } from '../../contract/soon.ts';
import { MalformedJson, parseUnfrozen } from '../../contract/strict-json.ts';
import type { Admitted, Suspected } from '../../contract/tool-call.ts';
import type { ServerRequest } from '../../contract/upstream.ts';
import { type EmbeddedMethod, isEmbeddedMethod, missingCapability } from './capabilities.ts';
import { EmbeddedRefusal, told } from './embedded-refusal.ts';
import { lookalikeOf } from './lookalikes.ts';
import { type Accepts, acceptsOf } from './requested-schema.ts';

/** Bytes and depth of the params of one request in mid-call. */
const MAX_SIZE = 256 * 1024;
const MAX_DEPTH = 20;
/** The members of the params that the protocol knows. */
const MEMBERS: Readonly<Record<EmbeddedMethod, readonly string[]>> = {
  'elicitation/create': ['mode', 'message', 'requestedSchema', 'url', 'elicitationId', 'task', '_meta'],
  'sampling/createMessage': [
    ...['messages', 'modelPreferences', 'systemPrompt', 'includeContext', 'temperature', 'maxTokens'],
    ...['stopSequences', 'metadata', 'tools', 'toolChoice', 'task', '_meta'],
  ],
  'roots/list': ['task', '_meta'],
};
/** Characters of a method in the record. */
const MAX_METHOD = 128;

/** What judges and records what a server sends in mid-call. */
export interface Embedding {
  /** Policy: may this call's server ask the client that, as the action `SERVER#METHOD`? */
  readonly mayAsk: (call: Admitted, method: EmbeddedMethod) => Soon<Pick<Verdict, 'allow' | 'detail' | 'policies'>>;
  /** The output filter, for raw JSON. */
  readonly redact: (json: string) => { readonly json: string; readonly findings: Readonly<Record<string, number>> };
  /** The params of what is asked in a session, with the names that the client knows things by; results have `outbound`. */
  readonly named: (call: Admitted, method: EmbeddedMethod, params: string) => string;
  /** Writes the record before the client is asked; a rejection refuses the request. `method`, `action` and `detail` have the server's words. */
  readonly record: (call: Admitted, fact: EmbeddedRecord) => Promise<void>;
  /** How much a text gives orders to the model; undefined: it is not suspected. */
  readonly suspect: (text: string) => Promise<Suspected | undefined>;
  /** Whether what is suspected of that server is kept back. */
  readonly keepsBack: (server: string) => boolean;
  /** The session is told something that is suspected. Resolves when whoever shares its history knows it. */
  readonly heard: (call: Admitted, session: CallerSession | undefined) => Soon<void>;
  /** Records what the call's sandbox tried to reach; it has happened, so that nothing waits for the record. */
  readonly attempted: (call: Admitted, attempt: EgressAttempt) => void;
  /** Records which sandbox the call shares with others of its session. */
  readonly kept: (call: Admitted, sandbox: string) => void;
  /** Of all that was reviewed of that server, and how often it was let be called again. */
  readonly asReviewed: (
    server: string,
  ) => { readonly digest: string; readonly reviews?: number | undefined } | undefined;
  /** Records that the call's server says something else of itself; nothing waits for that. */
  readonly differs: (call: Admitted, said: Said) => void;
}

/** One request of a server, or the client's answer to it where that was refused. */
export interface EmbeddedRecord {
  readonly method: string;
  readonly action: string;
  readonly code: RefusalCode | 'ok';
  readonly bytes: number;
  readonly detail?: string;
  readonly policies?: readonly string[];
  readonly redacted?: Readonly<Record<string, number>>;
  readonly suspected?: Suspected;
}

/** A request that may go to the client, as it goes there. */
export interface Question {
  readonly method: EmbeddedMethod;
  /** Sanitized raw JSON. */
  readonly params: string;
  readonly value: JsonObject;
  /** Of a form: whether accepted content fits. */
  readonly accepts: Accepts | undefined;
}

/**
 * Judges what a server asks of the client: known, declared by the client, permitted by policy, bounded, filtered; and
 * records what became of it. What is recorded as `ok` is asked.
 * @throws EmbeddedRefusal; Refusal `audit`
 */
export async function judgeRequest(
  embedding: Embedding,
  call: Admitted,
  capabilities: JsonObject,
  session: CallerSession | undefined,
  request: ServerRequest,
): Promise<Question> {
  const { method } = request;
  const word = method.slice(0, MAX_METHOD);
  const fact = { method: word, action: `${call.target.server}#${word}`, bytes: Buffer.byteLength(request.params) };
  let verdict: Pick<Verdict, 'policies'> | undefined;
  let suspected: Suspected | undefined;
  try {
    if (!isEmbeddedMethod(method)) throw new EmbeddedRefusal('upstream', 'no request for a client', told.unknown);
    if (fact.bytes > MAX_SIZE) throw new EmbeddedRefusal('size', `above ${MAX_SIZE} bytes`, told.malformed);
    const asked = strictObject(request.params);
    if (lookalikeOf(Object.keys(asked), MEMBERS[method]) !== undefined) malformed('a member in another spelling');
    checkCapability(capabilities, method, asked);
    verdict = await permitted(embedding, call, method);
    suspected = await embedding.suspect(request.params);
    if (suspected !== undefined && embedding.keepsBack(call.target.server))
      throw new EmbeddedRefusal('approval', whyOf(suspected), told.denied);
    const { json, findings } = embedding.redact(request.params);
    // The client answers what it saw, so that is what the answer is held against.
    const value = json === request.params ? asked : strictObject(json);
    const question = { method, params: json, value, accepts: shapeOf(method, value) };
    const redacted = json === request.params ? {} : { redacted: findings };
    if (suspected !== undefined) await embedding.heard(call, session);
    await embedding.record(call, {
      ...fact,
      code: 'ok',
      policies: verdict.policies,
      ...redacted,
      ...(suspected && { suspected }),
    });
    return question;
  } catch (error) {
    if (error instanceof EmbeddedRefusal) {
      const { code, detail } = error;
      const more = { ...(verdict && { policies: verdict.policies }), ...(suspected && { suspected }) };
      await embedding.record(call, { ...fact, code, detail, ...more });
    }
    throw error;
  }
}

/** Of what is kept back. */
export function whyOf({ score, reasons }: Suspected): string {
  return `suspected (${score}: ${reasons.join(', ')})`;
}

function strictObject(raw: string): JsonObject {
  try {
    const { value } = parseUnfrozen(Buffer.from(raw), MAX_DEPTH);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw new EmbeddedRefusal('upstream', error.message, told.malformed);
  }
  throw new EmbeddedRefusal('upstream', 'params are no object', told.malformed);
}

function checkCapability(capabilities: JsonObject, method: EmbeddedMethod, params: JsonObject): void {
  const required = missingCapability(capabilities, method, params);
  if (required === undefined) return;
  const [name = ''] = Object.keys(required);
  // The method is not there at all, or there without what these params need (MCP 2025-11-25, Elicitation).
  const how = isObject(capabilities[name]) ? told.malformed : told.unknown;
  const detail = `the client declared no ${JSON.stringify(required)}`;
  throw new EmbeddedRefusal('missing-capability', detail, how, required);
}

async function permitted(embedding: Embedding, call: Admitted, method: EmbeddedMethod) {
  const verdict = await embedding.mayAsk(call, method);
  if (!verdict.allow) throw new EmbeddedRefusal('policy', verdict.detail, told.denied);
  return verdict;
}

function shapeOf(method: EmbeddedMethod, params: JsonObject): Accepts | undefined {
  // A task of the client's would outlive the call that everything here is bound to.
  if (params.task !== undefined) malformed('as a task');
  if (method === 'roots/list') return undefined;
  if (method === 'sampling/createMessage') {
    if (!Array.isArray(params.messages)) malformed('no messages');
    return undefined;
  }
  if (typeof params.message !== 'string') malformed('no message');
  if (params.mode === 'url') {
    checkUrl(params.url);
    return undefined;
  }
  if (params.mode !== undefined && params.mode !== 'form') malformed('an unknown mode');
  return acceptsOf(params.requestedSchema);
}

/**
 * A person will be led there: over TLS, or to this machine; never with a name and password in it. Spelt as RFC 3986 does,
 * in ASCII, so that a foreign letter in the host's name shows as what it is (RFC 3492).
 */
function checkUrl(text: unknown): void {
  const url = typeof text === 'string' && /^[a-z]+:\/\/[!-[\]-~]+$/i.test(text) ? URL.parse(text) : null;
  if (url === null) malformed('no URL');
  const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) malformed(`the scheme ${url.protocol}`);
  if (url.username !== '' || url.password !== '') malformed('user information in the URL');
}

function malformed(detail: string): never {
  throw new EmbeddedRefusal('upstream', detail.slice(0, 256), told.malformed);
}

/** An answer of a client that does not go to the server. */
export function recordBadAnswer(
  embedding: Embedding,
  call: Admitted,
  method: EmbeddedMethod,
  raw: string,
  why: string,
) {
  return embedding.record(call, {
    method,
    action: `${call.target.server}#${method}`,
    code: 'params',
    bytes: Buffer.byteLength(raw),
    detail: `the client's answer: ${why.slice(0, 256)}`,
  });
}
