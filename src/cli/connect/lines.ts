import type { Writable } from 'node:stream';

const NEWLINE = 0x0a;

/**
 * Cuts a stream of bytes into lines of UTF-8 text, without their ends; empty ones are left out.
 * @param max bytes of one line; a longer one, and one that is not UTF-8, is dropped and told to `complain`
 */
export async function* lines(
  input: AsyncIterable<Uint8Array>,
  max: number,
  complain: (text: string) => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  const keep = (part: Uint8Array): void => {
    size += part.length;
    if (size <= max) parts.push(part);
    else parts = [];
  };
  const take = (): string => {
    const whole = size <= max ? Buffer.concat(parts) : undefined;
    parts = [];
    size = 0;
    if (whole === undefined) complain(`a line of more than ${max} bytes was dropped`);
    try {
      return decoder.decode(whole).trim();
    } catch {
      complain('a line that is not UTF-8 was dropped');
      return '';
    }
  };
  for await (const chunk of input) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line !== '') yield line;
    }
    keep(chunk.subarray(from));
  }
  const line = take();
  if (line !== '') yield line;
}

/** Where lines go; whoever writes waits until the reader has room for more. */
export interface LineOutput {
  write(line: string): Promise<void>;
  /** Aborted when nobody reads any more. */
  readonly closed: AbortSignal;
}

export function lineOutput(stream: Writable): LineOutput {
  const closed = new AbortController();
  let room: Promise<void> | undefined;
  for (const event of ['close', 'error']) stream.once(event, () => closed.abort());
  return {
    closed: closed.signal,
    async write(line) {
      if (closed.signal.aborted) return;
      // Raw line breaks in JSON stand between tokens only, where a space means the same.
      if (stream.write(`${line.replace(/[\r\n]+/g, ' ')}\n`)) return;
      room ??= new Promise<void>((resolve) => {
        stream.once('drain', resolve);
        closed.signal.addEventListener('abort', () => resolve(), { once: true });
      }).finally(() => {
        room = undefined;
      });
      await room;
    },
  };
}
