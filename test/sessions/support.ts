import type { Clock } from '../../src/contract/clock.ts';
import type { EventStream, ServerSentEvent } from '../../src/contract/event-stream.ts';
import { isObject } from '../../src/contract/json.ts';
import { parseStrict } from '../../src/contract/strict-json.ts';
import { Arrived, Authenticated, Framed, type Revision, type Subject } from '../../src/contract/tool-call.ts';
import type { RpcAnswer } from '../../src/contract/upstream.ts';
import type { SessionLimits } from '../../src/gateway/sessions/limits.ts';
import { Sessions } from '../../src/gateway/sessions/sessions.ts';

/** Time that passes when a test says so. */
export class TestClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(run: () => void, ms: number): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

/** One response of an HTTP server, as far as it is a stream; `cut` is its client going away. */
export class TestStream implements EventStream {
  readonly sent: ServerSentEvent[] = [];
  state: EventStream['state'] = 'idle';
  readonly #listeners: (() => void)[] = [];
  readonly #gone: AbortController;

  constructor(gone: AbortController) {
    this.#gone = gone;
  }

  open(): void {
    if (this.state === 'idle') this.state = 'open';
  }

  send(event: ServerSentEvent): boolean {
    this.open();
    if (this.state === 'closed') return false;
    this.sent.push(event);
    return true;
  }

  end(): void {
    if (this.state === 'open') this.#close();
  }

  cut(): void {
    this.#gone.abort();
    this.#close();
  }

  onClosed(listener: () => void): void {
    if (this.state === 'closed') listener();
    else this.#listeners.push(listener);
  }

  /** The data of what came, without the events that have none. */
  get data(): string[] {
    return this.sent.map(({ data }) => data).filter((data) => data !== '');
  }

  get lastId(): string {
    return this.sent.findLast(({ id }) => id !== undefined)?.id ?? '';
  }

  #close(): void {
    this.state = 'closed';
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

export function subject(id: string, more: Partial<Subject> = {}): Subject {
  return {
    id,
    kind: 'User',
    tenant: 'acme',
    groups: [],
    acr: undefined,
    authTime: undefined,
    key: `issuer acme ${id}`,
    tokenId: `token of ${id}`,
    ...more,
  };
}

export const alice = subject('alice');
export const bob = subject('bob');

export interface Wish {
  readonly by?: Subject;
  readonly server?: string;
  readonly session?: string;
  /** Of the header; absent: the frame's revision. */
  readonly version?: string | undefined;
  readonly lastEventId?: string;
  readonly query?: string;
  readonly transport?: 'streamable' | 'sse';
  readonly until?: number;
  readonly revision?: Revision;
  readonly httpMethod?: string;
}

/** A head that has been authenticated, and the stream that its answer may become. */
export function head(wish: Wish = {}): { readonly call: Authenticated; readonly stream: TestStream } {
  const gone = new AbortController();
  const stream = new TestStream(gone);
  const version = 'version' in wish ? wish.version : (wish.revision ?? '2025-11-25');
  const arrived = new Arrived({
    incident: 'incident',
    at: 0,
    remote: '127.0.0.1',
    server: wish.server,
    transport: wish.transport ?? 'streamable',
    httpMethod: wish.httpMethod ?? 'POST',
    query: wish.query ?? '',
    headers: {
      'mcp-session-id': wish.session,
      'mcp-protocol-version': version,
      'last-event-id': wish.lastEventId,
    },
    body: () => Promise.resolve(new Uint8Array()),
    signal: gone.signal,
    events: stream,
  });
  return { call: new Authenticated(arrived, wish.by ?? alice, wish.until ?? Number.POSITIVE_INFINITY), stream };
}

export interface Message {
  readonly id?: string;
  readonly method?: string;
  readonly params?: object;
  readonly response?: RpcAnswer;
}

/** One message, framed; several with the same head are a batch. */
export function framed(message: Message, wish: Wish = {}, from = head(wish)) {
  const revision = wish.revision ?? '2025-11-25';
  const paramsRaw = JSON.stringify(message.params ?? {});
  const { value: params } = parseStrict(Buffer.from(paramsRaw));
  const call = new Framed(from.call, {
    revision,
    modern: revision === '2026-07-28',
    id: message.id,
    response: message.response,
    method: message.method ?? '(response)',
    params: isObject(params) ? params : undefined,
    paramsRaw,
  });
  return { call, stream: from.stream };
}

export function request(id: string, wish: Wish = {}) {
  return framed({ id, method: 'tools/call', params: { name: 'tool' } }, wish);
}

export function openSessions(limits: Partial<SessionLimits> = {}) {
  const clock = new TestClock();
  const sessions = new Sessions({ clock, limits });
  const open = (wish: Wish = {}, capabilities: object = {}) =>
    sessions.open(framed({ id: '0', method: 'initialize', params: { capabilities } }, wish).call);
  return { clock, sessions, open };
}

/** How many are open, by counting them. */
export function count(sessions: Sessions): number {
  let found = 0;
  sessions.each(() => found++);
  return found;
}

/** Lets promises that are settled say so. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
