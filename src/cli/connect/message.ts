export type Id = string | number;

/** What the bridge reads of a JSON-RPC message; the rest goes through unread. */
export interface Message {
  readonly id?: Id | null;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Result;
  readonly error?: { readonly code?: number };
}

interface Params {
  readonly name?: unknown;
  readonly uri?: unknown;
  readonly taskId?: unknown;
  readonly arguments?: unknown;
  readonly requestId?: unknown;
  readonly notifications?: Readonly<Record<string, unknown>> & { readonly resourceSubscriptions?: readonly string[] };
  readonly _meta?: Readonly<Record<string, unknown>>;
}

interface Result {
  readonly protocolVersion?: unknown;
  readonly capabilities?: Readonly<Record<string, { readonly listChanged?: unknown } | undefined>>;
  readonly tools?: unknown;
  readonly nextCursor?: unknown;
}

/** One line from the client: a message, or a batch of them (2025-03-26). */
export interface Incoming {
  readonly text: string;
  readonly messages: readonly Message[];
}

export const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

/** @returns undefined for what is no JSON object and no array */
export function read(text: string): Incoming | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const messages = (Array.isArray(value) ? value : [value]).filter(
      (one: unknown): one is Message => typeof one === 'object' && one !== null,
    );
    return { text, messages };
  } catch {
    return undefined;
  }
}

/** One message; undefined for a batch too. */
export function readOne(text: string): Message | undefined {
  const { messages = [] } = read(text) ?? {};
  return messages.length === 1 ? messages[0] : undefined;
}

/** 1 and "1" are two ids. */
export function keyOf(id: unknown): string {
  return JSON.stringify(id);
}

export function isRequest(message: Message): message is Message & { readonly id: Id; readonly method: string } {
  return message.method !== undefined && message.id !== undefined && message.id !== null;
}

/** A response, whichever side it comes from. */
export function isAnswer(message: Message): message is Message & { readonly id: Id } {
  return message.method === undefined && message.id !== undefined && message.id !== null;
}

/** Whether a message is of 2026-07-28 or later: it says its revision itself. */
export function isModern({ params }: Message): boolean {
  return typeof params?._meta?.[VERSION_KEY] === 'string';
}

/** The bridge's own answer to a request that gets no other. */
export function failure(id: Id, error: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

export function notification(method: string, params?: object): string {
  return JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) });
}
