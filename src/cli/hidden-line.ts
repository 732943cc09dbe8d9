import type { ReadStream, WriteStream } from 'node:tty';
import { UsageError } from './options.ts';

/** Bytes of standard input that are read at most. */
const MOST = 64 * 1024;

/** One line from a person, whose letters are not shown, or all of what is piped in. Without the line's end. */
export async function hiddenLine(question: string, input: ReadStream, output: WriteStream): Promise<string> {
  return (input.isTTY ? await typed(question, input, output) : await piped(input)).replace(/\r?\n$/, '');
}

async function piped(input: ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of input) {
    size += part.length;
    if (size > MOST) throw new UsageError(`standard input has more than ${MOST} bytes`);
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts).toString('utf8');
}

async function typed(question: string, input: ReadStream, output: WriteStream): Promise<string> {
  output.write(`${question}: `);
  input.setRawMode(true);
  let line = '';
  try {
    for await (const part of input) {
      for (const letter of String(part)) {
        if (letter === '\r' || letter === '\n') return line;
        // In raw mode the terminal does not end anybody.
        if (letter === '\x03' || letter === '\x04') throw new UsageError('given up');
        line = letter === '\x7f' || letter === '\b' ? line.slice(0, -1) : line + letter;
      }
    }
    return line;
  } finally {
    input.setRawMode(false);
    output.write('\n');
  }
}
