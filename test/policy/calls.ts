import type { JsonObject } from '../../src/contract/json.ts';
import { Arrived, Authenticated, Framed, Known, type Subject, Validated } from '../../src/contract/tool-call.ts';
import { noEvents } from '../support/calls.ts';

/** A client without a session, whom nobody can ask anything. */
export const nobody = { session: undefined, ask: undefined, capabilities: {}, signal: new AbortController().signal };

/** Policies that look at all that a session has done. */
export const historyUse = {
  asked: true,
  counted: true,
  labels: ['private', 'untrusted', 'external', 'suspected'],
  away: false,
};

/** A call of a tool that has come as far as the authorization. */
export function validated(who: string, server: string, name: string, args: JsonObject = {}): Validated {
  const subject: Subject = {
    ...{ id: who, kind: 'User', tenant: 'acme', groups: [], acr: undefined },
    ...{ authTime: undefined, key: who, tokenId: undefined },
  };
  const arrived = new Arrived({
    ...{ incident: 'i', at: 0, remote: '127.0.0.1', server: undefined, transport: 'streamable', httpMethod: 'POST' },
    ...{ query: '', headers: {}, body: async () => new Uint8Array(), signal: new AbortController().signal },
    events: noEvents,
  });
  const params = { name, arguments: args };
  const raw = JSON.stringify(params);
  const head = { revision: '2025-11-25', modern: false, id: '1', response: undefined } as const;
  const frame = { ...head, method: 'tools/call', params, paramsRaw: raw };
  const pin = { name, raw: '{}', digest: '' };
  const target = {
    server,
    method: 'tools/call',
    action: `${server}/${name}`,
    pin,
    params,
    paramsRaw: raw,
    headers: [],
  } as const;
  const known = new Known(new Framed(new Authenticated(arrived, subject, 0), frame), target);
  return new Validated(known, { arguments: args, raw });
}
