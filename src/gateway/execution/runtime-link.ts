import { connect, type Socket } from 'node:net';
import { BatchedWriter } from '../../contract/batched-writer.ts';
import type { EgressAttempt } from '../../contract/egress.ts';
import { Refusal } from '../../contract/refusal.ts';
import {
  encodeFrame,
  FrameReader,
  type FromRuntime,
  type LinkFrame,
  type ToRuntime,
} from '../../contract/runtime-link.ts';
import type { RpcAnswer, UpstreamCall, UpstreamListening, UpstreamSession } from '../../contract/upstream.ts';
import { upstreamFailure } from './refusals.ts';

/** Bytes of one frame; the runtime sends none above its largest `maxResult`. */
const MAX_FRAME = 64 * 1024 * 1024;

/** What waits for frames of its own. `settle` gets the end of a request; a listening has none. */
interface Request {
  readonly call?: UpstreamCall;
  readonly listening?: UpstreamListening;
  settle(kind: RpcAnswer['kind'], body: Uint8Array): void;
  fail(refusal: Refusal): void;
}

type Witness = (server: string, attempt: EgressAttempt) => void;

/** The gateway's end of the link to zone 2. Connects when it is needed, and again after it was lost. */
export class RuntimeLink {
  readonly #path: string;
  readonly #witness: Witness;
  readonly #pending = new Map<number, { readonly request: Request; forget(): void }>();
  readonly #followed = new WeakSet<UpstreamSession>();
  #socket: Socket | undefined;
  #lastId = 0;
  #writer: BatchedWriter | undefined;
  #closed = false;
  #profiles: ReadonlyMap<string, string> = new Map();

  /**
   * @param path of the runtime's unix socket
   * @param witness hears what sandboxes tried to reach while no call of ours was in them
   */
  constructor(path: string, witness: Witness = () => {}) {
    this.#path = path;
    this.#witness = witness;
  }

  /** @param profiles server → digest of how zone 0 wants it sandboxed; the runtime refuses calls for one that it does otherwise */
  demand(profiles: ReadonlyMap<string, string>): void {
    this.#profiles = profiles;
  }

  /**
   * Has one request answered by a server: a text that nobody has judged.
   * @throws Refusal `isolation`, `upstream`, `size`, `overload`, or `unavailable` when the link is lost or the caller
   * has gone; the sandbox is then killed
   */
  call(server: string, call: UpstreamCall): Promise<RpcAnswer> {
    const { method, reviewed, pinned, subject, party, session, capabilities, logLevel, loan, asTask, signal } = call;
    return new Promise((resolve, reject) => {
      const head = (id: number): ToRuntime => ({
        ...{ kind: 'call', id, server, ...this.#profile(server), method, subject, capabilities },
        ...(party !== undefined && { party }),
        ...(session !== undefined && { session: session.key }),
        ...(logLevel !== undefined && { logLevel }),
        ...(loan !== undefined && { leases: loan.leases }),
        ...(asTask && { asTask }),
        ...(reviewed !== undefined && { reviewed }),
        ...(pinned !== undefined && { pinned }),
      });
      const settle = (kind: RpcAnswer['kind'], body: Uint8Array): void => {
        const raw = plainText(body);
        if (raw === undefined) reject(new Refusal('upstream', 'an answer that is not UTF-8'));
        else resolve({ kind, raw });
      };
      const request = { call, settle, fail: reject };
      if (session?.ended.aborted) request.fail(new Refusal('unavailable', 'the session has ended'));
      else this.#begin(head, call.params, signal, request);
      if (session !== undefined) this.#follow(session);
    });
  }

  /** The runtime learns when a session that it was told of is over. */
  #follow(session: UpstreamSession): void {
    if (session.ended.aborted || this.#followed.has(session)) return;
    this.#followed.add(session);
    const over = () => {
      // Where the link is lost, the runtime has ended the session's sandboxes by itself.
      if (this.#socket === undefined) return;
      this.#send(encodeFrame({ kind: 'session-over', id: ++this.#lastId, session: session.key }));
    };
    session.ended.addEventListener('abort', over, { once: true });
  }

  /**
   * Listens to a server's changes: resolves when `signal` is aborted.
   * @throws Refusal as `call` does, when the server does not, or no more, tell of them
   */
  listen(server: string, listening: UpstreamListening): Promise<void> {
    const { subject, uris, signal } = listening;
    return new Promise((resolve, reject) => {
      const fail = (refusal: Refusal): void => (signal.aborted ? resolve() : reject(refusal));
      const settle = (): void => fail(new Refusal('upstream', 'the runtime answered what has no answer'));
      const head = (id: number): ToRuntime => ({ kind: 'listen', id, server, ...this.#profile(server), subject });
      this.#begin(head, JSON.stringify(uris), signal, { listening, settle, fail });
    });
  }

  /**
   * A server's live descriptors: the JSON of LiveDescriptors.
   * @throws Refusal as `call` does
   */
  describe(server: string, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (kind: RpcAnswer['kind'], body: Uint8Array): void =>
        kind === 'result' ? resolve(body) : reject(new Refusal('upstream', 'the runtime answered an error'));
      this.#begin((id) => ({ kind: 'describe', id, server }), '', signal, { settle, fail: reject });
    });
  }

  #profile(server: string): { readonly profile?: string } {
    const profile = this.#profiles.get(server);
    return profile === undefined ? {} : { profile };
  }

  /** Refuses what waits and does not connect again. */
  close(): void {
    this.#closed = true;
    this.#lost('closed');
  }

  #begin(head: (id: number) => ToRuntime, body: Uint8Array | string, signal: AbortSignal, request: Request): void {
    if (this.#closed || signal.aborted) {
      const why = this.#closed ? 'the link to the runtime is closed' : 'the caller has gone';
      request.fail(new Refusal('unavailable', why));
      return;
    }
    const id = ++this.#lastId;
    const abort = () => this.#withdraw(id, new Refusal('unavailable', 'the caller has gone'));
    signal.addEventListener('abort', abort, { once: true });
    this.#pending.set(id, { request, forget: () => signal.removeEventListener('abort', abort) });
    this.#send(encodeFrame(head(id), body));
  }

  #withdraw(id: number, why: Refusal): void {
    const request = this.#ended(id);
    if (request === undefined) return;
    this.#send(encodeFrame({ kind: 'cancel', id }));
    request.fail(why);
  }

  /** Takes out what waits no more; ids are never used again. */
  #ended(id: number): Request | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.forget();
    return pending?.request;
  }

  #send(frame: Uint8Array): void {
    this.#socket ??= this.#connect();
    this.#writer ??= new BatchedWriter(this.#socket, setImmediate);
    this.#writer.write(frame);
  }

  #connect(): Socket {
    const socket = connect(this.#path);
    const reader = new FrameReader<FromRuntime>(MAX_FRAME);
    const lost = (why: string) => {
      if (this.#socket === socket) this.#lost(why);
    };
    socket.on('data', (chunk) => {
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch (error) {
        lost(error instanceof Error ? error.message : 'a bad frame');
      }
    });
    socket.on('error', (error) => lost(error.message));
    socket.on('close', () => lost('the runtime went away'));
    return socket;
  }

  #receive({ head, body }: LinkFrame<FromRuntime>): void {
    const { id, kind } = head;
    const request = this.#pending.get(id)?.request;
    if (kind === 'egress') {
      if (request?.call?.attempted) request.call.attempted(head.attempt);
      else this.#witness(head.server, head.attempt);
      return;
    }
    if (kind === 'kept') {
      request?.call?.kept?.(head.sandbox);
      return;
    }
    // What crossed a cancellation.
    if (request === undefined) return;
    if (kind === 'notification') this.#notify(id, request, body);
    else if (kind === 'ask') void this.#ask(head, request, body);
    else if (kind === 'listening') request.listening?.ready();
    else if (kind === 'used') request.call?.loan?.used(head.use);
    else if (kind === 'served') request.call?.served?.(head.served);
    else if (kind === 'differs') request.call?.differs?.(linesOf(body));
    else if (kind === 'deferred') request.call?.deferred();
    else {
      this.#ended(id);
      if (kind === 'failed') request.fail(upstreamFailure(head.code, head.detail));
      else request.settle(kind, body);
    }
  }

  /** Whatever a listener makes of a message, it must not end the link, which all calls share. */
  #notify(id: number, { call, listening }: Request, body: Uint8Array): void {
    const message = plainText(body);
    if (message === undefined) return;
    try {
      (call ?? listening)?.notify(message);
    } catch (error) {
      this.#withdraw(id, new Refusal('upstream', `a notification could not be read: ${String(error)}`));
    }
  }

  async #ask({ id, ask, method }: FromRuntime & { kind: 'ask' }, { call }: Request, body: Uint8Array): Promise<void> {
    const params = plainText(body);
    const answer = params === undefined ? UNREADABLE : await (call?.ask({ method, params }) ?? UNREADABLE);
    // The call may have ended while the client thought about it.
    if (this.#pending.has(id)) this.#send(encodeFrame({ kind: 'reply', id, ask, outcome: answer.kind }, answer.raw));
  }

  #lost(why: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#writer = undefined;
    socket?.destroy();
    const refusal = new Refusal('unavailable', `the link to the runtime is lost: ${why}`);
    for (const id of [...this.#pending.keys()]) this.#ended(id)?.fail(refusal);
  }
}

/** The runtime's own words. @throws where they are not: the link is then lost */
function linesOf(body: Uint8Array): readonly string[] {
  const lines: unknown = JSON.parse(plainText(body) ?? '');
  if (!Array.isArray(lines)) throw new RangeError('what differs is no list');
  return lines.map(String);
}

const UNREADABLE: RpcAnswer = { kind: 'error', raw: '{"code":-32600,"message":"Invalid request"}' };
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a body says; undefined: nothing that can be read. It is parsed, and judged, where it goes. */
function plainText(body: Uint8Array): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}
