import type { EventStream } from '../../src/contract/event-stream.ts';
import { isObject } from '../../src/contract/json.ts';
import { parseStrict } from '../../src/contract/strict-json.ts';
import {
  Admitted,
  Arrived,
  Authenticated,
  Authorized,
  Confirmed,
  type Executed,
  Executed as ExecutedCall,
  Framed,
  Known,
  Limited,
  Screened,
  type Subject,
  type Target,
  Validated,
} from '../../src/contract/tool-call.ts';

/** The answer of a request that never becomes a stream. */
export const noEvents: EventStream = {
  state: 'closed',
  open: () => {},
  send: () => false,
  end: () => {},
  onClosed: () => {},
};

/** A call to `target` that has been identified; its params are parsed as the gateway parses them. */
export function known(
  target: Pick<Target, 'method' | 'pin'>,
  paramsRaw: string,
  kind: Subject['kind'] = 'User',
): Known {
  const { value: params } = parseStrict(Buffer.from(paramsRaw, 'utf8'));
  if (!isObject(params)) throw new Error('params must be an object');
  const arrived = new Arrived({
    incident: 'incident',
    at: 0,
    remote: '127.0.0.1',
    server: undefined,
    transport: 'streamable',
    httpMethod: 'POST',
    query: '',
    headers: {},
    body: () => Promise.resolve(new Uint8Array()),
    signal: new AbortController().signal,
    events: noEvents,
  } as Arrived);
  const subject = {
    id: 'alice',
    kind,
    tenant: 'acme',
    groups: [],
    acr: undefined,
    authTime: undefined,
    key: 'alice',
    tokenId: undefined,
  };
  const head = { revision: '2025-11-25', modern: false, id: '1', response: undefined } as const;
  const frame = { ...head, method: target.method, params, paramsRaw };
  const action = target.method === 'tools/call' ? `srv/${target.pin?.name}` : `srv#${target.method}`;
  return new Known(new Framed(new Authenticated(arrived, subject, 0), frame), {
    server: 'srv',
    action,
    params,
    paramsRaw,
    headers: [],
    ...target,
  });
}

/** A call to a tool of server `srv` that has been executed; `result` is strict JSON. */
export function executed(result: string, continuation?: string): Executed {
  const pin = { name: 'tool', raw: '{}', digest: '' };
  const validated = new Validated(known({ method: 'tools/call', pin }, '{"name":"tool"}'), {
    arguments: {},
    raw: '{}',
  });
  const authorized = new Authorized(validated, { allow: true, policies: [], detail: '' });
  return new ExecutedCall(
    new Admitted(new Limited(new Confirmed(authorized, undefined), undefined)),
    result,
    continuation,
  );
}

/** The same, when it has been looked at for orders to the model, and there are none. */
export function screened(result: string, continuation?: string): Screened {
  return new Screened(executed(result, continuation), undefined, undefined);
}
