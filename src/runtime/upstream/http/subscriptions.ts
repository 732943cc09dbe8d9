import { isObject } from '../../../contract/json.ts';
import { objectOf } from '../handshake.ts';
import type { Message } from '../message.ts';
import { asFailure, type RpcAnswer, UpstreamFailure, type UpstreamListening } from '../upstream.ts';
import { readText } from './answer.ts';
import { encodeModern } from './encode.ts';
import { HeldStream } from './held-stream.ts';
import type { ChangeListener } from './session-stream.ts';
import type { Session } from './sessions.ts';
import type { Wire } from './wire.ts';

/** Milliseconds for the acknowledgement. */
const ACKNOWLEDGED = 10_000;
const ACKNOWLEDGEMENT = 'notifications/subscriptions/acknowledged';
const UPDATED = 'notifications/resources/updated';
const LIST_CHANGED = 'notifications/resources/list_changed';

/** What was listened to has stopped, though nothing was refused; it may be begun once more. */
export class Interrupted extends UpstreamFailure {}

type Request = (method: string, params: Uint8Array) => Promise<RpcAnswer>;

/**
 * Subscribes in the subject's session (2025-11-25 and older), and listens on its stream until the signal is aborted.
 * @throws UpstreamFailure; Interrupted, SessionGone or HttpFailure 404 where a new session may do
 */
export async function listenInSession(session: Session, listening: UpstreamListening, request: Request): Promise<void> {
  const { stream, handshake } = session;
  const { uris, signal } = listening;
  const { resources } = handshake.capabilities;
  if (stream === undefined) throw new UpstreamFailure('upstream', 'the server keeps no session to be listened to in');
  if (uris.length > 0 && !(isObject(resources) && resources.subscribe === true))
    throw new UpstreamFailure('upstream', 'the server takes no subscriptions');
  const held: string[] = [];
  let stop = (): void => {};
  let over: UpstreamFailure | undefined;
  const listener: ChangeListener = {
    notify: (message) => {
      if (concerns(message, uris)) listening.notify(message.raw);
    },
    ended: (failure) => {
      over = failure;
      stop();
    },
  };
  stream.listen(listener);
  try {
    if (!(await stream.ready())) throw over ?? new Interrupted('upstream', 'the server opens no stream');
    for (const uri of uris) {
      held.push(uri);
      await subscribe(session, uri, request);
    }
    if (!signal.aborted) listening.ready();
    await new Promise<void>((resolve) => {
      stop = resolve;
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted || over !== undefined) resolve();
    });
    if (over !== undefined && !signal.aborted) throw over;
  } finally {
    signal.removeEventListener('abort', stop);
    stream.unlisten(listener);
    for (const uri of held) unsubscribe(session, uri, request);
  }
}

async function subscribe(session: Session, uri: string, request: Request): Promise<void> {
  const count = session.subscribed.get(uri) ?? 0;
  session.subscribed.set(uri, count + 1);
  if (count > 0) return;
  const { kind, raw } = await request('resources/subscribe', paramsOf(uri));
  if (kind === 'error') throw new UpstreamFailure('upstream', `resources/subscribe: ${raw.slice(0, 512)}`);
}

/** The server's own affair, whether it listens. */
function unsubscribe(session: Session, uri: string, request: Request): void {
  const count = session.subscribed.get(uri) ?? 0;
  if (count > 1) return void session.subscribed.set(uri, count - 1);
  session.subscribed.delete(uri);
  request('resources/unsubscribe', paramsOf(uri)).catch(() => {});
}

function paramsOf(uri: string): Uint8Array {
  return Buffer.from(JSON.stringify({ uri }));
}

/** An update may be of a part of what was subscribed to (MCP 2025-11-25, Resource Updated). */
function concerns({ method, params }: Message & { kind: 'notification' }, uris: readonly string[]): boolean {
  if (method === LIST_CHANGED) return true;
  const uri = params?.uri;
  return typeof uri === 'string' && uris.some((one) => uri.startsWith(one));
}

/**
 * Holds a `subscriptions/listen` open (2026-07-28) until the signal is aborted.
 * @throws UpstreamFailure; Interrupted where it was acknowledged and has ended
 */
export function listenModern(wire: Wire, session: Session, listening: UpstreamListening): Promise<void> {
  const { uris, signal } = listening;
  const id = wire.nextId();
  const notifications = { resourcesListChanged: true, resourceSubscriptions: uris };
  const params = Buffer.from(JSON.stringify({ notifications }));
  const own = { method: 'subscriptions/listen', params, capabilities: '{}', logLevel: undefined, headers: [] };
  const { body, headers } = encodeModern(id, own, session.headers);
  return new Promise((resolve, reject) => {
    let acknowledged = false;
    const finish = (failure?: UpstreamFailure): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const receive = (message: Message): void => {
      if (message.kind === 'request') throw new UpstreamFailure('upstream', 'a request (removed in MCP 2026-07-28)');
      if (message.kind === 'answer') throw ended(message, id);
      if (message.method === ACKNOWLEDGEMENT) {
        if (acknowledged) return;
        if (!agrees(message, uris)) throw new UpstreamFailure('upstream', 'not every subscription was accepted');
        acknowledged = true;
        clearTimeout(timer);
        listening.ready();
      } else if (acknowledged && (message.method === UPDATED || message.method === LIST_CHANGED))
        listening.notify(message.raw);
    };
    const gone = (failure: UpstreamFailure | undefined): void =>
      finish(acknowledged ? new Interrupted('upstream', failure?.detail ?? 'the stream ended') : (failure ?? silent()));
    const timer = setTimeout(() => {
      stream?.close();
      finish(silent());
    }, ACKNOWLEDGED);
    const abort = (): void => {
      stream?.close();
      finish();
    };
    signal.addEventListener('abort', abort, { once: true });
    let stream: HeldStream | undefined;
    try {
      const request = { method: 'POST', headers, body } as const;
      stream = new HeldStream(wire, request, { data: (text) => receive(readText(text)), ended: gone });
      if (signal.aborted) abort();
    } catch (error) {
      finish(asFailure(error));
    }
  });
}

function ended({ id, answer }: Message & { kind: 'answer' }, own: number): UpstreamFailure {
  const good = id === own && answer.kind === 'result';
  return new UpstreamFailure('upstream', good ? 'ended by the server' : `an answer: ${answer.raw.slice(0, 512)}`);
}

/** The server says which of the subscriptions it agrees to. */
function agrees({ raw }: Message & { kind: 'notification' }, uris: readonly string[]): boolean {
  const { params } = objectOf(raw);
  const agreed = isObject(params) && isObject(params.notifications) ? params.notifications.resourceSubscriptions : [];
  return uris.every((uri) => Array.isArray(agreed) && agreed.includes(uri));
}

function silent(): UpstreamFailure {
  return new UpstreamFailure('upstream', `no acknowledgement within ${ACKNOWLEDGED} ms`);
}
