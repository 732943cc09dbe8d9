import { type Dispatcher, Pool } from 'undici';
import { isObject, type Json } from '../../../contract/json.ts';
import type { OpaSettings } from '../../../contract/policy-world.ts';

/** Milliseconds for an answer about a call, and for one about policies, which are compiled meanwhile. */
export const ASK = 2000;
const MANAGE = 60_000;
/** Bytes of an answer about a call, and of policies as OPA has read them. */
const MAX_ANSWER = 256 * 1024;
const MAX_POLICIES = 64 * 1024 * 1024;
/** Questions at once; the others wait for one of them, no longer than they would for an answer. */
const CONNECTIONS = 8;
const WAITING = 1000;

/** OPA is away, slow, or answers what it never would. */
export class OpaAway extends Error {}

/** What OPA says, and how. */
export interface Said {
  readonly status: number;
  readonly body: Json;
}

interface Bounds {
  readonly time: number;
  readonly size: number;
}

/** One OPA, over its REST API, on connections that are kept. No redirect is followed, nothing is sent twice. */
export class OpaClient {
  readonly #pool: Pool;
  readonly #time: number;
  #asking = 0;

  /** @param time milliseconds for an answer about a call */
  constructor({ url, ca }: OpaSettings, time: number) {
    this.#time = time;
    const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined;
    this.#pool = new Pool(socketPath === undefined ? url : 'http://localhost', {
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect: {
        timeout: ASK,
        ...(socketPath !== undefined && { socketPath }),
        ...(ca !== undefined && { ca }),
        minVersion: 'TLSv1.3',
      },
    });
  }

  /** A question about a call. @throws OpaAway */
  async ask(path: string, question: Json): Promise<Said> {
    if (this.#asking >= WAITING) throw new OpaAway(`${WAITING} questions wait for it`);
    this.#asking++;
    try {
      const headers = { 'content-type': 'application/json' };
      return await this.#request(
        'POST',
        path,
        { time: this.#time, size: MAX_ANSWER },
        JSON.stringify(question),
        headers,
      );
    } finally {
      this.#asking--;
    }
  }

  /** Something about policies. @throws OpaAway */
  manage(method: 'GET' | 'PUT' | 'DELETE', path: string, policy?: string): Promise<Said> {
    return this.#request(method, path, { time: MANAGE, size: MAX_POLICIES }, policy, { 'content-type': 'text/plain' });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #request(
    method: Dispatcher.HttpMethod,
    path: string,
    { time, size }: Bounds,
    body: string | undefined,
    headers: Record<string, string>,
  ): Promise<Said> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error(`no answer within ${time} ms`)), time);
    try {
      const answer = await this.#pool.request({ method, path, headers, body: body ?? null, signal: over.signal });
      return { status: answer.statusCode, body: parsed(await read(answer.body, size)) };
    } catch (error) {
      throw new OpaAway(textOf(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

async function read(body: AsyncIterable<Buffer>, size: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop destroys the body, and its connection with it.
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > size) throw new Error(`an answer of more than ${size} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): Json {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('an answer that is no JSON');
  }
}

function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(String).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** What OPA says is wrong, where it says so. */
export function complaint({ status, body }: Said): string {
  const said = isObject(body) && typeof body.message === 'string' ? body.message : 'no reason';
  const errors = isObject(body) && Array.isArray(body.errors) ? body.errors : [];
  const reasons = errors.flatMap((one) => (isObject(one) && typeof one.message === 'string' ? [one.message] : []));
  return `${status}: ${[said, ...reasons].join(': ').slice(0, 500)}`;
}
