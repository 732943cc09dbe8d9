import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { BatchedWriter } from '../contract/batched-writer.ts';
import type { EgressAttempt } from '../contract/egress.ts';
import { isObject, type Json } from '../contract/json.ts';
import { encodeFrame, FrameReader, type LinkFrame, type ToRuntime } from '../contract/runtime-link.ts';
import type { Said } from '../contract/said.ts';
import { parseStrict } from '../contract/strict-json.ts';
import type { RpcAnswer, Served, ServerRequest, UpstreamSession } from '../contract/upstream.ts';
import type { WireUse } from '../contract/wire-secret.ts';
import { asFailure, type Upstream, UpstreamFailure } from './upstream/upstream.ts';

/** Bytes of one frame from a gateway; bodies are capped far below that at the edge. */
const MAX_FRAME = 16 * 1024 * 1024;
/** Bytes that may wait for a gateway that does not read, before its connection is dropped. */
const MAX_UNREAD = 256 * 1024 * 1024;
/** URIs of one listening. */
const MAX_URIS = 1000;

/** What may be asked of a server; anything else is refused. */
const METHODS = new Set(['tools/call', 'prompts/get', 'resources/list', 'resources/read', 'completion/complete']);

interface Running {
  readonly controller: AbortController;
  /** Number → what the server waits for. */
  readonly asks: Map<number, (answer: RpcAnswer) => void>;
}

type Frame<Kind> = ToRuntime & { readonly kind: Kind };

/**
 * One gateway, which speaks as src/contract/runtime-link.ts says: what runs for it, by id. A gateway that breaks the
 * contract loses its connection; when it goes away, all that runs for it is cancelled.
 */
export class GatewayConnection {
  readonly #socket: Socket;
  readonly #writer: BatchedWriter;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #running = new Map<number, Running>();
  /** Key → a session of the gateway's that is not over. */
  readonly #sessions = new Map<string, { readonly session: UpstreamSession; over(): void }>();

  constructor(socket: Socket, upstreams: ReadonlyMap<string, Upstream>, log: (event: object) => void) {
    this.#socket = socket;
    this.#writer = new BatchedWriter(socket, setImmediate);
    this.#upstreams = upstreams;
    const reader = new FrameReader<ToRuntime>(MAX_FRAME);
    socket.on('data', (chunk) => {
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch (error) {
        log({ event: 'link-broken', detail: asFailure(error).detail });
        socket.destroy();
      }
    });
    socket.on('drain', () => socket.resume());
    socket.on('error', (error) => log({ event: 'link-error', detail: error.message }));
    socket.on('close', () => {
      for (const { controller } of this.#running.values()) controller.abort();
      for (const { over } of this.#sessions.values()) over();
    });
  }

  /** Tells what a server's sandbox tried to reach; id 0: outside of any call. */
  witness(server: string, attempt: EgressAttempt, id = 0): void {
    this.#send(encodeFrame({ kind: 'egress', id, server, attempt }));
  }

  #receive({ head, body }: LinkFrame<ToRuntime>): void {
    switch (head.kind) {
      case 'cancel':
        this.#running.get(head.id)?.controller.abort();
        return;
      case 'session-over':
        this.#sessions.get(head.session)?.over();
        this.#sessions.delete(head.session);
        return;
      case 'reply':
        this.#reply(head, body);
        return;
      case 'call':
        void this.#run(head.id, (running) => this.#call(head, body, running));
        return;
      case 'listen':
        void this.#run(head.id, ({ controller }) => this.#listen(head, body, controller.signal));
        return;
      case 'describe':
        void this.#run(head.id, ({ controller }) => this.#describe(head, controller.signal));
        return;
      default:
        throw new RangeError('unknown frame');
    }
  }

  /** @param work resolves with the last frame; undefined where nobody waits for one */
  #run(id: number, work: (running: Running) => Promise<Uint8Array | undefined>): Promise<void> {
    if (!Number.isSafeInteger(id) || this.#running.has(id)) throw new RangeError(`id ${id} is in use or no integer`);
    const running = { controller: new AbortController(), asks: new Map() };
    this.#running.set(id, running);
    return work(running)
      .catch((error: unknown) => {
        const { code, detail } = asFailure(error);
        return encodeFrame({ kind: 'failed', id, code, detail });
      })
      .then((frame) => {
        this.#running.delete(id);
        if (frame !== undefined && !running.controller.signal.aborted) this.#send(frame);
      });
  }

  async #call(head: Frame<'call'>, params: Uint8Array, { controller, asks }: Running): Promise<Uint8Array> {
    const {
      id,
      server,
      method,
      subject,
      party,
      capabilities,
      logLevel,
      asTask = false,
      leases,
      reviewed,
      pinned,
    } = head;
    if (!METHODS.has(method)) throw new UpstreamFailure('upstream', `no such method here: ${method}`);
    if (!isObject(parseStrict(Buffer.from(capabilities)).value))
      throw new RangeError('capabilities that are no object');
    const { signal } = controller;
    const notify = (message: string) => this.#send(encodeFrame({ kind: 'notification', id }, message));
    let asked = 0;
    const ask = (request: ServerRequest): Promise<RpcAnswer> =>
      new Promise((resolve) => {
        asks.set(++asked, resolve);
        this.#send(encodeFrame({ kind: 'ask', id, ask: asked, method: request.method }, request.params));
      });
    const deferred = () => this.#send(encodeFrame({ kind: 'deferred', id }));
    const attempted = (attempt: EgressAttempt) => this.witness(server, attempt, id);
    const used = (use: WireUse) => this.#send(encodeFrame({ kind: 'used', id, use }));
    const loan = leases && { leases, used };
    const served = (what: Served) => this.#send(encodeFrame({ kind: 'served', id, served: what }));
    const kept = (sandbox: string) => this.#send(encodeFrame({ kind: 'kept', id, sandbox }));
    const differs = (said: Said) => this.#send(encodeFrame({ kind: 'differs', id }, JSON.stringify(said)));
    const session = this.#session(head.session);
    const told = { method, params, subject, party, session, capabilities, logLevel, headers: [], asTask, loan };
    const { kind, raw } = await this.#asSigned(head).call({
      ...told,
      reviewed,
      pinned,
      signal,
      notify,
      ask,
      deferred,
      attempted,
      kept,
      served,
      differs,
    });
    return encodeFrame({ kind, id }, raw);
  }

  #session(key: string | undefined): UpstreamSession | undefined {
    if (key === undefined) return undefined;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known.session;
    const controller = new AbortController();
    // One for each server that keeps a sandbox for it.
    setMaxListeners(0, controller.signal);
    const session = { key, ended: controller.signal };
    this.#sessions.set(key, { session, over: () => controller.abort() });
    return session;
  }

  /** A reply may cross the end of its call, and not more. */
  #reply({ id, ask, outcome }: Frame<'reply'>, body: Uint8Array): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const resolve = running.asks.get(ask);
    if (resolve === undefined || (outcome !== 'result' && outcome !== 'error'))
      throw new RangeError(`a reply to what was not asked: ${ask} of ${id}`);
    running.asks.delete(ask);
    resolve({ kind: outcome, raw: parseStrict(body).text });
  }

  async #listen(head: Frame<'listen'>, body: Uint8Array, signal: AbortSignal): Promise<undefined> {
    const { id, subject } = head;
    const uris = urisOf(parseStrict(body).value);
    const ready = () => this.#send(encodeFrame({ kind: 'listening', id }));
    const notify = (message: string) => this.#send(encodeFrame({ kind: 'notification', id }, message));
    await this.#asSigned(head).listen({ uris, subject, signal, ready, notify });
  }

  async #describe({ id, server }: Frame<'describe'>, signal: AbortSignal): Promise<Uint8Array> {
    return encodeFrame({ kind: 'result', id }, JSON.stringify(await this.#upstream(server).describe(signal)));
  }

  /** What this machine would run may have been configured otherwise than zone 0 has signed: then it serves nobody. */
  #asSigned({ server, profile }: Frame<'call' | 'listen'>): Upstream {
    const upstream = this.#upstream(server);
    if (upstream.profile === undefined || upstream.profile === profile) return upstream;
    throw new UpstreamFailure(
      'isolation',
      `the sandbox of ${server} is not the one that zone 0 has signed: the configuration or the lock beside this runtime is another`,
    );
  }

  #upstream(name: string): Upstream {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) throw new UpstreamFailure('isolation', `no such server: ${name}`);
    return upstream;
  }

  #send(frame: Uint8Array): void {
    if (!this.#writer.write(frame)) this.#socket.pause();
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy();
  }
}

function urisOf(value: Json): readonly string[] {
  if (!Array.isArray(value) || !value.every((uri) => typeof uri === 'string')) throw new RangeError('no list of URIs');
  if (value.length > MAX_URIS) throw new UpstreamFailure('overload', `more than ${MAX_URIS} subscriptions`);
  return value;
}
