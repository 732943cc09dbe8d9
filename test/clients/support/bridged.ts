import { PassThrough } from 'node:stream';
import type { TestContext } from 'node:test';
import { bridge } from '../../../src/cli/connect/bridge.ts';
import { lineOutput } from '../../../src/cli/connect/lines.ts';
import { Prover } from '../../../src/cli/connect/prover.ts';
import type { Json } from './scripted-edge.ts';

const prover = await Prover.make();

/** The bridge between a test, which is its client over stdio, and an edge. */
export function bridged(
  t: TestContext,
  edge: { readonly url: string; readonly ca: string },
  token = async () => 'good',
) {
  const input = new PassThrough();
  const output = new PassThrough();
  const said: string[] = [];
  const complaints: string[] = [];
  const waiting: (() => void)[] = [];
  let rest = '';
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    said.push(...parts);
    for (const wake of waiting.splice(0)) wake();
  });
  const complain = (text: string): void => {
    complaints.push(text);
    for (const wake of waiting.splice(0)) wake();
  };
  const lines = lineOutput(output);
  lines.closed.addEventListener('abort', () => input.destroy());
  const done = bridge(input, lines, complain, { ...edge, token, prover });
  t.after(() => input.destroy());
  done.catch(() => undefined);
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return {
    complaints,
    /** Lines that nobody has taken yet. */
    said,
    send: (...messages: readonly object[]): void => {
      for (const message of messages) input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    },
    raw: (bytes: string | Uint8Array): boolean => input.write(bytes),
    /** The next line, as it is. */
    line: (): Promise<string> => until(() => said.shift()),
    async next(): Promise<Json> {
      return JSON.parse(await this.line());
    },
    complains: (about: RegExp): Promise<string> => until(() => complaints.find((text) => about.test(text))),
    /** Ends the input, and waits until the bridge has ended. */
    async end(): Promise<void> {
      input.end();
      await done;
    },
    /** The client goes away without a word. */
    async vanish(): Promise<void> {
      output.destroy();
      await done;
    },
    /** The client does not read for a while; gives the bytes that wait for it. */
    pause(): () => number {
      output.pause();
      return () => output.writableLength + output.readableLength;
    },
    resume: (): unknown => output.resume(),
  };
}
