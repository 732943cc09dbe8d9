import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';
import type { Fleet } from './fleet.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a test looks into is its own business
export type Json = any;

export interface Wish {
  readonly method?: 'POST' | 'GET' | 'DELETE';
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly path?: string;
  /** Only at this replica, past the front. */
  readonly at?: number;
}

/** What came back, from its head on. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Its JSON-RPC messages as they come: one, or those of its stream. */
  readonly messages: AsyncGenerator<Json, undefined>;
  /** Of the newest event. */
  lastEventId(): string;
  /** The client goes away. */
  cut(): void;
}

/** A client whose requests go out by turns over connections that the front has spread over the replicas. */
export class Wire {
  readonly #fleet: Fleet;
  readonly #token: string;
  readonly #ca: string;
  readonly #lanes: readonly Agent[];
  #turn = 0;

  constructor(fleet: Fleet, token: string, lanes = 3) {
    this.#fleet = fleet;
    this.#token = token;
    this.#ca = fleet.ca;
    this.#lanes = Array.from({ length: lanes }, () => new Agent({ keepAlive: true, ca: this.#ca, maxSockets: 8 }));
  }

  async send(body: object | undefined, { method = 'POST', headers, path = '', at }: Wish = {}): Promise<Answer> {
    const { mcp } = this.#fleet;
    const sent = request(`${at === undefined ? mcp : this.#fleet.at(at)}${path}`, {
      method,
      agent: this.#lanes[this.#turn++ % this.#lanes.length],
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${this.#token}`,
        host: new URL(mcp).host,
        ...Object.fromEntries(Object.entries(headers ?? {}).filter(([, value]) => value !== undefined)),
      },
    });
    sent.end(body === undefined ? undefined : JSON.stringify({ jsonrpc: '2.0', ...body }));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    let last = '';
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      messages: isStream(response)
        ? eventsOf(response, (id) => {
            last = id;
          })
        : listOf(await textOf(response)),
      lastEventId: () => last,
      cut: () => sent.destroy(),
    };
  }

  close(): void {
    for (const lane of this.#lanes) lane.destroy();
  }
}

function isStream({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('text/event-stream') ?? false;
}

/** Read at once: what nobody reads keeps its connection. */
async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

async function* listOf(text: string): AsyncGenerator<Json, undefined> {
  if (text.startsWith('{') || text.startsWith('[')) yield JSON.parse(text);
  return undefined;
}

async function* eventsOf(response: IncomingMessage, seen: (id: string) => void): AsyncGenerator<Json, undefined> {
  const lines = createInterface({ input: response });
  lines.on('error', () => undefined);
  for await (const line of lines) {
    if (line.startsWith('id: ')) seen(line.slice(4));
    if (line.startsWith('data: ') && line.length > 6) yield JSON.parse(line.slice(6));
  }
  return undefined;
}
