import { createInterface } from 'node:readline/promises';
import { visible } from '../control-plane/config/problem.ts';

export interface Io {
  readonly json: boolean;
  stdout(text: string): void;
  stderr(text: string): void;
}

/** Asks the person at the terminal; undefined where there is none. */
export type Ask = ((question: string) => Promise<boolean>) | undefined;

export function personAtTerminal(): Ask {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  return async (question) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
    } finally {
      lines.close();
    }
  };
}

/** What a server says, for a terminal. */
export function printable(text: string, most = 300): string {
  const plain = visible(text);
  return plain.length > most ? `${plain.slice(0, most)}…` : plain;
}
