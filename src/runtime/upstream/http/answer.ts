import { isUtf8 } from 'node:buffer';
import { skipSpace, valueEnd } from '../../../contract/strict-json.ts';
import { type Message, readMessage } from '../message.ts';
import type { RpcAnswer } from '../upstream.ts';
import { bad } from './failures.ts';

const RESULT_FIRST = '{"result":{';

/**
 * The raw result, where the message is exactly the answer that nearly every server sends to the request `id`: the three
 * members in one of their three usual orders. Found by one walk that skips the result's strings and counts its brackets;
 * that it is strict JSON is left to its readers: the gateway's `execution` parses every answer before anything else reads it,
 * `describe` and the handshake theirs.
 * @returns undefined where the message is anything else, to be read in full
 */
export function plainResult(text: string, id: number): string | undefined {
  const head = `{"jsonrpc":"2.0","id":${id},"result":{`;
  if (text.startsWith(head)) return cut(text, head.length - 1, '}');
  if (!text.startsWith(RESULT_FIRST)) return undefined;
  const start = RESULT_FIRST.length - 1;
  return cut(text, start, `,"jsonrpc":"2.0","id":${id}}`) ?? cut(text, start, `,"id":${id},"jsonrpc":"2.0"}`);
}

/** @throws MalformedJson when a string of it has no end */
function cut(text: string, start: number, tail: string): string | undefined {
  // What follows the tail is white space, if anything; looked at first, because it costs nothing.
  const last = text.trimEnd();
  if (!last.endsWith(tail)) return undefined;
  const end = valueEnd(last, start);
  return skipSpace(last, end) + tail.length === last.length ? last.slice(start, end) : undefined;
}

/**
 * The answer that a JSON body must be.
 * @throws UpstreamFailure where it is anything else
 */
export function answerIn(bytes: Buffer, id: number): RpcAnswer {
  if (!isUtf8(bytes)) throw bad('bytes that are not UTF-8');
  const raw = plainResult(bytes.toString('utf8'), id);
  if (raw !== undefined) return { kind: 'result', raw };
  const message = readMessage(bytes);
  if (message.kind !== 'answer') throw bad('a message that is not the answer');
  return answerTo(message, id);
}

/** @throws UpstreamFailure where it answers another request */
export function answerTo({ id, answer }: Message & { kind: 'answer' }, asked: number): RpcAnswer {
  if (id !== asked) throw bad(`id ${JSON.stringify(id).slice(0, 64)}, not ${asked}`);
  return answer;
}

/**
 * One message of a stream, which may be the answer to the request `id`.
 * @throws UpstreamFailure on anything that is not exactly one request, notification or response
 */
export function readEvent(text: string, id: number): Message {
  const raw = plainResult(text, id);
  return raw === undefined ? readText(text) : { kind: 'answer', id, answer: { kind: 'result', raw } };
}

/** As `readEvent`, for a message that is parsed whatever it is. */
export function readText(text: string): Message {
  return readMessage(Buffer.from(text, 'utf8'));
}

/** The JSON-RPC error that answers the request `id`, where the body of a refusal is one. */
export function errorTo(bytes: Uint8Array, id: number): RpcAnswer | undefined {
  try {
    const message = readMessage(bytes);
    return message.kind === 'answer' && message.id === id && message.answer.kind === 'error'
      ? message.answer
      : undefined;
  } catch {
    return undefined;
  }
}
