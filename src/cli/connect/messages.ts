import { createParser } from 'eventsource-parser';
import type { Reply } from './wire.ts';

/** Bytes of one answer, or of one event; above what the gateway itself lets through. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** Milliseconds: what a stream's client waits that was told nothing, at most when nobody answers, and what a timer holds. */
const RETRY = 1000;
const MAX_BACKOFF = 30_000;
const MAX_TIMER = 2 ** 31 - 1;

/** Where a stream was left; `Last-Event-ID` takes it up again (HTML Living Standard, Server-sent events). */
export class Position {
  lastEventId: string | undefined;
  retry = RETRY;

  /** Milliseconds until the next attempt, after so many that failed in a row. */
  wait(failures: number): number {
    const backoff = failures === 0 ? 0 : Math.min(RETRY * 2 ** failures, MAX_BACKOFF);
    return Math.min(Math.max(this.retry, backoff), MAX_TIMER);
  }
}

/** The messages of one HTTP answer in their order, as raw JSON: one that is JSON itself, or a stream of events. */
export async function* messages(reply: Reply, position: Position): AsyncGenerator<string> {
  if (!/^text\/event-stream\b/i.test(String(reply.headers['content-type']))) {
    const text = await whole(reply);
    if (text !== '') yield text;
    return;
  }
  const decoder = new TextDecoder();
  let events: string[] = [];
  const parser = createParser({
    maxBufferSize: MAX_ANSWER,
    onId: (id) => {
      position.lastEventId = id === '' ? undefined : id;
    },
    onRetry: (milliseconds) => {
      position.retry = milliseconds;
    },
    onEvent: ({ event, data }) => {
      if ((event === undefined || event === 'message') && data !== '') events.push(data);
    },
  });
  for await (const chunk of reply.body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    const ready = events;
    events = [];
    yield* ready;
  }
}

/** The text of an answer that is no stream. @throws Error above the bound */
export async function whole({ body }: Reply): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error('an answer that is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8').trim();
}
