import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { encodeFrame, FrameReader, type ToRuntime } from '../contract/runtime-link.ts';
import { asFailure, type Upstream, UpstreamFailure } from './upstream/upstream.ts';

/** Bytes of one frame from a gateway; bodies are capped far below that at the edge. */
const MAX_FRAME = 16 * 1024 * 1024;
/** Bytes that may wait for a gateway that does not read, before its connection is dropped. */
const MAX_UNREAD = 256 * 1024 * 1024;

/** What may be asked of a server; anything else is refused. */
const METHODS = new Set(['tools/call', 'prompts/get', 'resources/list', 'resources/read', 'completion/complete']);

/**
 * Listens on the unix socket (mode 0600) for gateways. `close` ends every connection and cancels what runs for it.
 * @throws when the socket cannot be made
 */
export async function serveLink(
  path: string,
  upstreams: ReadonlyMap<string, Upstream>,
  log: (event: object) => void,
): Promise<{ close(): Promise<void> }> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    new GatewayConnection(socket, upstreams, log);
  });
  // What a killed runtime left behind; the directory is the caller's alone.
  await rm(path, { force: true });
  await listen(server, path);
  await chmod(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** One gateway: its calls by id. When it goes away, all of them are cancelled. */
class GatewayConnection {
  readonly #socket: Socket;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #running = new Map<number, AbortController>();
  #corked = false;

  constructor(socket: Socket, upstreams: ReadonlyMap<string, Upstream>, log: (event: object) => void) {
    this.#socket = socket;
    this.#upstreams = upstreams;
    const reader = new FrameReader<ToRuntime>(MAX_FRAME);
    socket.on('data', (chunk) => {
      try {
        for (const { head, body } of reader.push(chunk)) this.#receive(head, body);
      } catch (error) {
        log({ event: 'link-broken', detail: asFailure(error).detail });
        socket.destroy();
      }
    });
    socket.on('drain', () => socket.resume());
    socket.on('error', (error) => log({ event: 'link-error', detail: error.message }));
    socket.on('close', () => {
      for (const controller of this.#running.values()) controller.abort();
    });
  }

  #receive(head: ToRuntime, body: Uint8Array): void {
    if (head.kind === 'cancel') {
      this.#running.get(head.id)?.abort();
      return;
    }
    const { id, kind } = head;
    if (!Number.isSafeInteger(id) || this.#running.has(id))
      throw new RangeError(`call id ${id} is in use or no integer`);
    if (kind === 'call') void this.#run(id, (signal) => this.#call(head, body, signal));
    else if (kind === 'describe') void this.#run(id, (signal) => this.#describe(id, head.server, signal));
    else throw new RangeError('unknown frame');
  }

  async #run(id: number, work: (signal: AbortSignal) => Promise<Uint8Array>): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    let frame: Uint8Array;
    try {
      frame = await work(controller.signal);
    } catch (error) {
      const { code, detail } = asFailure(error);
      frame = encodeFrame({ kind: 'failed', id, code, detail });
    }
    this.#running.delete(id);
    if (!controller.signal.aborted) this.#send(frame);
  }

  async #call(head: ToRuntime & { kind: 'call' }, params: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { id, method, subject, capabilities, logLevel } = head;
    if (!METHODS.has(method)) throw new UpstreamFailure('upstream', `no such method here: ${method}`);
    const notify = (raw: string) => this.#send(encodeFrame({ kind: 'notification', id }, raw));
    const ask = async () => ({ kind: 'error', raw: '{"code":-32601,"message":"Method not found"}' }) as const;
    const call = { method, params, subject, capabilities, logLevel, headers: [], signal, notify, ask };
    const answer = await this.#upstream(head.server).call(call);
    return encodeFrame({ kind: answer.kind, id }, answer.raw);
  }

  async #describe(id: number, server: string, signal: AbortSignal): Promise<Uint8Array> {
    return encodeFrame({ kind: 'result', id }, JSON.stringify(await this.#upstream(server).describe(signal)));
  }

  #upstream(name: string): Upstream {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) throw new UpstreamFailure('isolation', `no such server: ${name}`);
    return upstream;
  }

  /** Frames of one turn of the event loop leave in one write. */
  #send(frame: Uint8Array): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    if (!socket.write(frame)) socket.pause();
    if (socket.writableLength > MAX_UNREAD) socket.destroy();
  }
}
