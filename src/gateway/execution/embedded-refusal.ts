import type { JsonObject } from '../../contract/json.ts';
import { Refusal, type RefusalCode } from '../../contract/refusal.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';

/** Why a server's request goes to no client: a refusal of the call where the server can be told nothing, else an error to it. */
export class EmbeddedRefusal extends Refusal {
  /** What the server reads: JSON-RPC code and message. */
  readonly rpc: number;
  readonly text: string;
  /** The capabilities that the client would have to declare. */
  readonly required: JsonObject | undefined;

  constructor(code: RefusalCode, detail: string, server: Told, required?: JsonObject) {
    super(code, detail, required && { requiredCapabilities: required });
    this.rpc = server.rpc;
    this.text = server.text;
    this.required = required;
  }
}

interface Told {
  readonly rpc: number;
  readonly text: string;
}

export const told = {
  unknown: { rpc: -32601, text: 'Method not found' },
  malformed: { rpc: -32602, text: 'Invalid params' },
  denied: { rpc: 1403, text: 'Not permitted' },
  failed: { rpc: -32603, text: 'The client could not be asked' },
  badAnswer: { rpc: -32603, text: "The client's answer was not valid" },
} as const;

/** The error that a server gets; nothing of ours but these words. */
export function errorTo(server: Told): RpcAnswer {
  return { kind: 'error', raw: `{"code":${server.rpc},"message":${JSON.stringify(server.text)}}` };
}
