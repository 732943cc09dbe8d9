import type { Message } from './message.ts';
import type { Position } from './messages.ts';
import type { Headers, Reply } from './wire.ts';

/** What the gateway said of a session at its `initialize`. */
export interface Session {
  readonly id: string | undefined;
  readonly revision: string | undefined;
  readonly capabilities: NonNullable<Message['result']>['capabilities'];
  /** Its stream for what belongs to no call. */
  readonly stream: AbortController;
}

/** An answer with which it makes no sense to try again. */
export class Refused extends Error {
  constructor(status: number) {
    super(`the gateway answered ${status}`);
  }
}

/** Without an answer there is no session yet, and none is needed. */
export function fresh(reply: Reply | undefined, answer: Message | undefined): Session {
  const id = reply?.headers['mcp-session-id'];
  const revision = answer?.result?.protocolVersion;
  return {
    id: typeof id === 'string' ? id : undefined,
    revision: typeof revision === 'string' ? revision : undefined,
    capabilities: answer?.result?.capabilities,
    stream: new AbortController(),
  };
}

export function headersOf({ id, revision }: Session, position?: Position): Headers {
  return {
    ...(id !== undefined && { 'mcp-session-id': id }),
    ...(revision !== undefined && { 'mcp-protocol-version': revision }),
    ...(position?.lastEventId !== undefined && { 'last-event-id': position.lastEventId }),
  };
}

/** Whether it may be better later (RFC 9110 §15.5.9, §15.5.10, §15.6; RFC 6585 §4). */
export function passes(status: number): boolean {
  return status >= 500 || status === 408 || status === 409 || status === 429;
}
