import { isUtf8 } from 'node:buffer';
import { skipSpace, valueEnd } from '../../../contract/strict-json.ts';
import { type Message, readMessage } from '../message.ts';
import { UpstreamFailure } from '../upstream.ts';

const RESULT_FIRST = '{"result":{';

/**
 * The raw result, where the message is exactly the answer that nearly every server sends to the request `id`: the three
 * members in one of their three usual orders. Found by one walk that skips the result's strings and counts its brackets;
 * that it is strict JSON is left to `output-sanitization`, which parses every result before a client sees a byte of it.
 * A result that may want input is read before that, and so is parsed here like every other message.
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
  if (!last.endsWith(tail) || last.includes('input_required') || last.includes('\\u')) return undefined;
  const end = valueEnd(last, start);
  return skipSpace(last, end) + tail.length === last.length ? last.slice(start, end) : undefined;
}

/** @throws UpstreamFailure on bytes that are not UTF-8 */
export function decode(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new UpstreamFailure('upstream', 'the server sent bytes that are not UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** @throws UpstreamFailure on anything that is not exactly one request, notification or response */
export function readText(text: string): Message {
  return readMessage(Buffer.from(text, 'utf8'));
}
