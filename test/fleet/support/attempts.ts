import assert from 'node:assert/strict';
import type { Answer, Json, Wire } from './wire.ts';

const MODERN = '2026-07-28';
const META = 'io.modelcontextprotocol/';
const CAPABILITIES = { elicitation: { form: {} } };

/** The last message of an answer. */
async function end({ messages }: Answer): Promise<Json> {
  let last: Json;
  for await (const message of messages) last = message;
  return last;
}

export const text = ({ content }: Json): string => content.map((part: Json) => part.text).join('');

/** One request of 2026-07-28. @param at only to this replica */
export function modern(wire: Wire, method: string, params: object, more: object = {}, at?: number): Promise<Answer> {
  const { name, taskId } = params as { readonly name?: string; readonly taskId?: string };
  const envelope = {
    [`${META}protocolVersion`]: MODERN,
    [`${META}clientInfo`]: { name: 'test', version: '1' },
    [`${META}clientCapabilities`]: { ...CAPABILITIES, ...more },
  };
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': method, 'mcp-name': name ?? taskId };
  return wire.send(
    { id: 1, method, params: { ...params, _meta: envelope } },
    { headers, ...(at !== undefined && { at }) },
  );
}

/** What a request was answered with; anything else fails the test. */
export async function result(answer: Promise<Answer>): Promise<Json> {
  const message = await end(await answer);
  assert.notEqual(message?.result, undefined, JSON.stringify(message));
  return message.result;
}
