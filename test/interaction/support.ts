import type { Caller } from '../../src/contract/caller.ts';
import type { Clock } from '../../src/contract/clock.ts';
import type { PinnedDescriptor } from '../../src/contract/descriptors.ts';
import { isObject, type JsonObject } from '../../src/contract/json.ts';
import { Refusal, type RefusalCode } from '../../src/contract/refusal.ts';
import { parseStrict } from '../../src/contract/strict-json.ts';
import {
  Admitted,
  Authorized,
  Confirmed,
  type Executed,
  Known,
  Limited,
  type Target,
  Validated,
} from '../../src/contract/tool-call.ts';
import type { RpcAnswer, ServerRequest, UpstreamCall } from '../../src/contract/upstream.ts';
import type { EmbeddedRecord } from '../../src/gateway/execution/embedded-request.ts';
import { executeStage } from '../../src/gateway/execution/execute.ts';
import { HeldCalls } from '../../src/gateway/execution/held-calls.ts';
import { StateSeal } from '../../src/gateway/execution/sealed-state.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { suspectedOf } from '../../src/gateway/result-injection/screen.ts';
import { TestClock } from '../sessions/support.ts';
import { known } from '../support/calls.ts';

export const ALL = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} } as const;

export const FORM = {
  message: 'Your name?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] },
} as const;

export const elicit = (params: object = FORM): ServerRequest => ({
  method: 'elicitation/create',
  params: JSON.stringify(params),
});
export const sample: ServerRequest = {
  method: 'sampling/createMessage',
  params: '{"messages":[{"role":"user","content":{"type":"text","text":"?"}}],"maxTokens":10}',
};
export const accepted = (name: string) => ({ action: 'accept', content: { name } });

export const result = (value: unknown): RpcAnswer => ({ kind: 'result', raw: JSON.stringify(value) });
export const text = (words: string) => result({ content: [{ type: 'text', text: words }] });

/** How a server answers one call. */
export type Server = (call: UpstreamCall, params: JsonObject) => Promise<RpcAnswer>;

interface World {
  readonly server: Server;
  readonly denied?: readonly string[];
  readonly keepsBack?: boolean;
  /** Whether others know what the session was told. */
  readonly heard?: () => Promise<void>;
  readonly now?: () => number;
  readonly held?: HeldCalls;
  readonly key?: Uint8Array;
  readonly record?: (fact: EmbeddedRecord) => Promise<void>;
  readonly stillMay?: () => boolean;
  readonly clock?: Clock;
}

/** The stage with a remote server `srv` behind it. */
export function stageWith(world: World) {
  const { server, denied = [], now = () => 0, held = new HeldCalls(), key, record, stillMay = () => true } = world;
  const { clock = new TestClock(), keepsBack = false } = world;
  const heard: string[] = [];
  const records: EmbeddedRecord[] = [];
  const execute = executeStage({
    clock,
    link: { call: () => Promise.reject(new Error('no runtime here')) },
    remotes: new Map([
      ['srv', { call: async (call) => server(call, JSON.parse(Buffer.from(call.params).toString())) }],
    ]),
    served: () => {},
    failureOf: (error) => ({ code: 'upstream', detail: String(error), isUnauthorized: false }),
    embedding: {
      mayAsk: (_call, method) => ({ allow: !denied.includes(method), detail: 'by the test', policies: ['p:1'] }),
      redact: redactJson,
      named: (_call, _method, params) => params.replaceAll('uri-of-server', 'srv+uri-of-server'),
      record: async (_call, fact) => {
        await record?.(fact);
        records.push(fact);
      },
      suspect: suspectedOf,
      keepsBack: () => keepsBack,
      heard: () => {
        heard.push('suspected');
        return world.heard?.();
      },
      attempted: () => {},
      kept: () => {},
      asReviewed: () => undefined,
      differs: () => {},
    },
    lending: {
      needed: () => false,
      exchanged: () => [],
      lend: async () => ({ leases: [] }),
      giveBack: () => {},
      prove: async () => undefined,
      record: async () => {},
    },
    seal: new StateSeal(
      () => [{ id: 'a', key: Buffer.from(key ?? new Uint8Array(32).fill(7)).toString('base64url') }],
      now,
    ),
    held,
    stillMay,
  });
  return { execute, records, heard };
}

export interface Client {
  readonly modern?: boolean;
  readonly subject?: string;
  readonly tenant?: string;
  readonly method?: Target['method'];
  readonly params?: object;
  /** What was reviewed of the tool; absent: nothing that a server could list. */
  readonly pin?: PinnedDescriptor;
  readonly paramsRaw?: string;
  readonly capabilities?: JsonObject;
  readonly logLevel?: string;
  readonly ask?: (request: ServerRequest) => Promise<RpcAnswer>;
  readonly signal?: AbortSignal;
}

/** One request of a client, admitted, and what the client was told before its answer. */
export function request(client: Client = {}) {
  const { modern = false, subject = 'alice', tenant = 'acme', method = 'tools/call' } = client;
  const raw = client.paramsRaw ?? JSON.stringify({ name: 'tool', arguments: {}, ...client.params });
  const from = known({ method, pin: client.pin ?? { name: 'tool', raw: '{}', digest: '' } }, raw);
  const { value: params } = parseStrict(Buffer.from(raw));
  if (!isObject(params)) throw new Error('params must be an object');
  const revision = modern ? '2026-07-28' : '2025-11-25';
  const framed = {
    ...from,
    arrived: from.arrived,
    subject: { ...from.subject, id: subject, tenant, key: JSON.stringify([tenant, subject]) },
    frame: { ...from.frame, revision, modern },
  };
  const call = new Known(framed as never, from.target);
  const authorized = new Authorized(new Validated(call, { arguments: {}, raw }), {
    allow: true,
    policies: [],
    detail: '',
  });
  const notifications: string[] = [];
  const caller: Caller = {
    capabilities: client.capabilities ?? ALL,
    logLevel: client.logLevel,
    signal: client.signal ?? new AbortController().signal,
    notify: (message) => notifications.push(message),
    ask: client.ask,
    session: undefined,
  };
  return { call: new Admitted(new Limited(new Confirmed(authorized, undefined), undefined)), caller, notifications };
}

/** The answer that a client would read, with the state where it has one. */
export function answerOf({ result: raw, continuation }: Executed) {
  return { ...JSON.parse(raw), ...(continuation !== undefined && { requestState: continuation }) };
}

export function refused(code: RefusalCode, detail = /(?:)/) {
  return (error: unknown) => error instanceof Refusal && error.code === code && detail.test(error.detail);
}
