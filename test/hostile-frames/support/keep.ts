import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reply } from '../../support/http.ts';
import { family } from '../../support/processes.ts';
import { type Product, Workspace } from '../../support/product.ts';
import { type Peer, type RawAnswer, RawSocket } from './raw-socket.ts';

const ACCEPT =
  'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25';

/** Connections at a time. */
export const WIDTH = 12;
/** Where the edge is told to close, there is no silence to wait for; milliseconds. */
export const CLOSE = 'Connection: close\r\n';
export const PATIENT = 60_000;

/** MiB that frames of ten megabytes leave behind, in several forms each, until the next large collection. */
const BULK = 160;

/** A running product under fire, watched: its processes, its memory, and a client who must not notice anything. */
export class Keep {
  readonly product: Product;
  readonly token: string;
  readonly peer: Peer;
  readonly #zones: readonly string[];
  readonly #memory: number[][] = [];
  readonly #idle: RawSocket[] = [];

  /**
   * @param failing tools that are to fail, by server: no breaker must end that
   * @param add the words of `add`, for each server
   */
  static async open(
    files: Readonly<Record<string, string>>,
    policies: string,
    failing: Readonly<Record<string, string>>,
    ...add: readonly (readonly string[])[]
  ): Promise<Keep> {
    const workspace = new Workspace({
      'innerkeep.yaml':
        'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 }, per_source: { rate: 100000/min, burst: 10000 } }\n',
      'policies/p.cedar': policies,
      ...files,
    });
    try {
      for (const words of add) await workspace.must('add', ...words);
      const file = join(workspace.dir, 'innerkeep.yaml');
      for (const [server, tool] of Object.entries(failing)) {
        const settings = `$&\n    tools: { ${tool}: { breaker: { errors: ignore, p99: 1h } } }`;
        writeFileSync(file, readFileSync(file, 'utf8').replace(new RegExp(`^  ${server}:$`, 'm'), settings));
      }
      const product = await workspace.up();
      return new Keep(product, await product.token('--ttl', '30m'));
    } catch (error) {
      workspace.remove();
      throw error;
    }
  }

  constructor(product: Product, token: string) {
    this.product = product;
    this.token = token;
    this.peer = { port: Number(new URL(product.ready.mcp).port), ca: product.ca };
    this.#zones = this.#processes();
  }

  /** The lines that every request of ours has, without the last line end. */
  get credentials(): string {
    return `Host: localhost:${this.peer.port}\r\nAuthorization: Bearer ${this.token}`;
  }

  /** A whole POST to /mcp. */
  post(body: Uint8Array | string, more = ''): Buffer {
    const bytes = Buffer.from(body);
    const head = `POST /mcp HTTP/1.1\r\n${this.credentials}\r\n${ACCEPT}\r\n${more}Content-Length: ${bytes.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), bytes]);
  }

  /** One POST on a connection of ours that is free, and the JSON that answers it. */
  async ask(body: Uint8Array | string): Promise<Pick<Reply, 'status' | 'text' | 'json'>> {
    const socket = this.#idle.pop() ?? (await RawSocket.open(this.peer));
    socket.write(this.post(body));
    const answer = await socket.next();
    if (typeof answer !== 'object') throw new Error(`${answer} instead of an answer`);
    this.#idle.push(socket);
    return { status: answer.status, text: answer.body, json: JSON.parse(answer.body) };
  }

  /** Calls on a connection of its own, one after the other, as long as `work` takes: each must get its own answer. */
  async undisturbed<T>(call: (own: string, id: number) => string, work: () => Promise<T>): Promise<T> {
    let over = false;
    const witness = async (): Promise<void> => {
      const socket = await RawSocket.open(this.peer);
      for (let id = 1_000_000; !over; id++) {
        const own = `witness ${id}`;
        socket.write(this.post(call(own, id)));
        const answer = await socket.next();
        assert.ok(typeof answer === 'object', `the witness was left with ${answer}`);
        assert.deepEqual([answer.status, JSON.parse(answer.body).id], [200, id], answer.body);
        assert.ok(answer.body.includes(own), answer.body);
        this.#sample();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      socket.destroy();
    };
    this.#memory.push([]);
    const watching = witness();
    try {
      return await Promise.race([work(), watching.then(() => assert.fail('the witness has gone'))]);
    } finally {
      over = true;
      await watching;
    }
  }

  /**
   * No zone died or found a fault of its own, the record of it all holds, and the gateway has not grown: medians of
   * the first and the last round, of which the first is already warm, but for `BULK`.
   */
  async unharmed(): Promise<void> {
    assert.deepEqual(this.#processes(), this.#zones, this.product.stderr());
    assert.doesNotMatch(this.product.stderr(), /"event":"fault"/);
    assert.match(await this.product.workspace.must('audit', 'verify'), /^holds/);
    const [first = 0, last = 0] = [this.#memory[0], this.#memory.at(-1)].map(median);
    assert.ok(last < first * 1.5 + BULK, `the gateway grew from ${first} to ${last} MiB`);
  }

  async close(): Promise<void> {
    for (const socket of this.#idle) socket.destroy();
    await this.product.stop();
    this.product.workspace.remove();
  }

  #processes(): readonly string[] {
    return family(this.product.pid)
      .filter(({ command }) => /zone-/.test(command))
      .map(({ pid, command }) => `${pid} ${command}`);
  }

  #sample(): void {
    const [pid] = this.#zones.find((zone) => zone.includes('zone-gateway'))?.split(' ') ?? [];
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    this.#memory.at(-1)?.push((pages * 4096) / 2 ** 20);
  }
}

function median(numbers: readonly number[] = []): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

/** Statuses of an edge that has understood, or has refused to. */
const CLEAN = new Set([100, 200, 202, 400, 403, 404, 405, 406, 408, 413, 415, 417, 421, 429, 431]);

/** An answer that says no more than it may: a known status, and a body that is empty, JSON, or JSON-RPC. */
export function clean({ status, headers, body }: RawAnswer, why: string): void {
  assert.ok(CLEAN.has(status), `${why}: ${status} ${body}`);
  assert.doesNotMatch(body, /\bat .*\.ts:\d+|node:internal/, why);
  if (body === '') return;
  assert.equal(headers.get('content-type'), 'application/json', why);
  const said = JSON.parse(body);
  assert.ok(
    Array.isArray(said) || said.jsonrpc === '2.0' || typeof said.error === 'string' || status === 200,
    `${why}: ${body}`,
  );
}
